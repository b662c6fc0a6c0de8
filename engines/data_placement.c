// SPDX-License-Identifier: GPL-2.0-only
/* data placement: fdp=, dataplacement= and plids= */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "data_placement.h"
#include "engine.h"
#include "placement.h"

#ifdef PI_PLACEMENT_OPS

static bool streams(const struct thread_data *td)
{
	return td->o.dp_type == FIO_DP_STREAMS;
}

int pi_data_placement_check(const struct thread_data *td)
{
	const struct pi_options *o = td->eo;

	if (!PI_DATA_PLACEMENT(td) || pi_layouts[o->layout].passthru)
		return 0;
	if (!streams(td))
		return pi_refuse("fdp and dataplacement=fdp are for NVMe commands; name the character device /dev/ngXnY, or use dataplacement=streams, which the kernel maps to placement identifiers");
	if (o->layout > PI_LAYOUT_SQE128)
		return pi_refuse("dataplacement=streams: the lab kernel's layouts have no streams; use pi_layout=indirect");
	return 0;
}

int pi_data_placement_check_file(const struct thread_data *td,
				 struct fio_file *f, int fd)
{
	const struct pi_options *o = td->eo;
	unsigned int has;

	if (!PI_DATA_PLACEMENT(td))
		return 0;
	if (pi_layouts[o->layout].passthru)
		return !streams(td) || pi_placement_directive(fd) ? 0 :
			pi_refuse_file(f, EOPNOTSUPP,
				"dataplacement=streams: the Streams directive is not enabled in the drive; use dataplacement=fdp, or name the block device");
	has = pi_placement_streams(fd);
	for (unsigned int i = 0; i < td->o.dp_nr_ids; i++) {
		if (td->o.dp_ids[i] && td->o.dp_ids[i] <= has)
			continue;
		log_err("io_uring_pi: %s: plids=%u: the kernel has %u write streams here, numbered from 1 (queue/max_write_streams, Linux 6.16)%s\n",
			f->file_name, td->o.dp_ids[i], has,
			has ? "; give one of them" : "; drop dataplacement");
		return EINVAL;
	}
	return 0;
}

int pi_fetch_ruhs(struct thread_data *td, struct fio_file *f,
		  struct fio_ruhs_info *ruhs)
{
	struct pi_reason reason;
	int fd, nr;

	fd = open(f->file_name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	nr = pi_placement_ids(fd, ruhs->plis, ruhs->nr_ruhs, &reason);
	close(fd);
	if (nr < 0) {
		pi_refuse_file(f, -nr, reason.text);
		errno = -nr;
		return nr;
	}
	ruhs->nr_ruhs = nr;
	return 0;
}

static int prep_command(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	struct pi_io *io = &e->ios.io[io_u->index];
	int ret = e->placement_prep_next(td, io_u);

	if (ret || io_u->ddir > DDIR_WRITE)
		return ret;
	if (io_u->ddir == DDIR_WRITE && pi_command_of(io) == PI_COMMAND_RW)
		pi_placement_command(io, io_u->dtype, io_u->dspec);
	else
		pi_placement_command(io, 0, 0);
	return 0;
}

static int prep_stream(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	int ret = e->placement_prep_next(td, io_u);

	if (!ret && io_u->ddir == DDIR_WRITE)
		pi_placement_sqe(&e->ios.io[io_u->index], io_u->dspec);
	return ret;
}

void pi_data_placement_choose(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	if (!PI_DATA_PLACEMENT(td))
		return;
	e->placement_prep_next = e->prep;
	e->prep = e->layout->passthru ? prep_command : prep_stream;
}

#else

int pi_data_placement_check(const struct thread_data *td)
{
	return 0;
}

int pi_data_placement_check_file(const struct thread_data *td,
				 struct fio_file *f, int fd)
{
	return 0;
}

void pi_data_placement_choose(struct thread_data *td)
{
}

#endif
