// SPDX-License-Identifier: GPL-2.0-only
/* commands other than Read and Write that a job asks for */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libnvme.h>

#include "engine.h"
#include "verify.h"

/* NVM Command Set 1.0, 3.2.1 */
#define STATUS_COMPARE_FAILED	0x285

/* parse a share such as "zeroes/40:"; @percent is -1 if none is given */
static const char *read_share(const char *str, struct pi_command_share *share,
			      int *percent)
{
	const size_t len = strcspn(str, "/:");
	char *end = (char *)str + len;

	for (share->command = PI_COMMAND_RW;
	     share->command < PI_COMMAND_COMPARE; share->command++) {
		const char *name = pi_command_kinds[share->command].name;

		if (strlen(name) == len && !strncmp(str, name, len))
			break;
	}
	*percent = -1;
	if (share->command == PI_COMMAND_COMPARE)
		return NULL;
	if (*end == '/' && end[1] && end[1] != ':') {
		*percent = strtoul(end + 1, &end, 10);
		if (*percent < 0 || *percent > 100)
			return NULL;
	} else if (*end == '/') {
		end++;
	}
	if (*end && *end != ':')
		return NULL;
	return *end ? end + 1 : end;
}

/* like fio, divide what is left equally among shares without a percentage */
static bool settle_shares(struct pi_command_options *c, const int *percent)
{
	int total = 0, open = 0;

	for (unsigned int i = 0; i < c->nr; i++) {
		total += percent[i] < 0 ? 0 : percent[i];
		open += percent[i] < 0;
	}
	if (total > 100 || (!open && total != 100))
		return false;
	for (unsigned int i = 0; i < c->nr; i++)
		c->shares[i].percent = percent[i] < 0 ? (100 - total) / open :
							percent[i];
	return true;
}

int pi_write_mode_cb(void *data, const char *str)
{
	struct pi_command_options *c = &((struct pi_options *)data)->commands;
	int percent[PI_COMMAND_SHARES];
	const char *at = str;

	if (!strncmp(str, "zone_append", strlen("zone_append")))
		return pi_refuse("write_mode=zone_append: protection information on zoned namespaces is not supported; drop it or use fio's io_uring_cmd") != 0;
	c->nr = 0;
	while (at && *at && c->nr < PI_COMMAND_SHARES) {
		at = read_share(at, &c->shares[c->nr], &percent[c->nr]);
		c->nr++;
	}
	if (at && !*at && c->nr && settle_shares(c, percent))
		return 0;
	log_err("io_uring_pi: write_mode=%s: give one of write, uncor, zeroes and verify, or shares that add up to 100, as in write/60:zeroes/40\n",
		str);
	return 1;
}

unsigned int pi_commands_sent(const struct pi_command_options *c)
{
	unsigned int sent = 0;

	for (unsigned int i = 0; i < c->nr; i++)
		if (c->shares[i].percent)
			sent |= 1 << c->shares[i].command;
	if (!c->nr)
		sent = 1 << PI_COMMAND_RW;
	if (c->verify_mode == PI_VERIFY_MODE_COMPARE)
		sent |= 1 << PI_COMMAND_COMPARE;
	return sent;
}

bool pi_commands_write(const struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	const unsigned int harmless = 1 << PI_COMMAND_VERIFY |
				      1 << PI_COMMAND_COMPARE;

	return td_trim(td) ||
	       (td_write(td) && pi_commands_sent(&o->commands) & ~harmless);
}

/* refuse the options of fio's io_uring_cmd that are for SCSI commands only */
static int check_scsi(const struct pi_command_options *c)
{
	const struct {
		const char *name, *value, *nothing;
	} scsi[] = {
		{ "cdb_len", c->cdb_len, "0" },
		{ "verify_bytchk", c->verify_bytchk, "0" },
		{ "read_mode", c->read_mode, "read" },
	};

	if (c->type == PI_CMD_TYPE_BSG)
		return pi_refuse("cmd_type=bsg: this engine sends no SCSI commands; name the SCSI disk's block device, whose I/O carries protection information");
	for (unsigned int i = 0; i < FIO_ARRAY_SIZE(scsi); i++) {
		if (!scsi[i].value || !strcmp(scsi[i].value, scsi[i].nothing))
			continue;
		log_err("io_uring_pi: %s=%s is for SCSI commands (cmd_type=bsg), which this engine does not send; drop it\n",
			scsi[i].name, scsi[i].value);
		return EINVAL;
	}
	return 0;
}

/* refuse combinations that the device or fio would misinterpret */
static int check_meaning(struct thread_data *td, unsigned int sent)
{
	const struct pi_options *o = td->eo;
	const unsigned int zeroes = 1 << PI_COMMAND_ZEROES;
	const unsigned int blank = zeroes | 1 << PI_COMMAND_UNCOR;

	if (o->inject)
		return pi_refuse("pi_inject with write_mode or verify_mode: faults are only followed through reads and writes; drop one of them");
	if (sent & blank && td->o.verify != VERIFY_NONE && !PI_IO_U_F_ZEROED)
		return pi_refuse("verify with write_mode=zeroes or uncor: this fio would look for its headers where none were written; drop verify, or use a fio of June 2026 or newer");
	if (sent & zeroes && o->opaque)
		return pi_refuse("pi_opaque=pattern with write_mode=zeroes: Write Zeroes clears the metadata outside the tuple; drop one of them");
	if (sent & zeroes && (o->app_mode == PI_APP_LBA || o->app_mode == PI_APP_RANDOM))
		return pi_refuse("write_mode=zeroes: a command has one application tag for the whole I/O, and pi_apptag gives each block its own; use pi_apptag=constant");
	if (sent & 1 << PI_COMMAND_COMPARE && o->act)
		return pi_refuse("verify_mode=compare with pi_act=1: Compare takes its tuples from the host, the device does not make them; use pi_act=0");
	if (sent & 1 << PI_COMMAND_COMPARE && td->o.verify != VERIFY_NONE &&
	    (td->o.verify != VERIFY_PATTERN_NO_HDR || !td->o.verify_pattern_bytes))
		return pi_refuse("verify_mode=compare: verify= headers contain the time, and random data cannot be generated again; use verify=pattern with verify_pattern=");
	if (sent & 1 << PI_COMMAND_COMPARE && !PI_IO_U_F_VER_IN_DEV)
		return pi_refuse("verify_mode=compare needs fio 3.38 or newer; older ones compare the data themselves");
	return 0;
}

int pi_commands_check(struct thread_data *td)
{
	const struct pi_options *o = td->eo;
	const struct pi_command_options *c = &o->commands;
	const unsigned int sent = pi_commands_sent(c);
	int err = check_scsi(c);

	if (err)
		return err;
	if ((sent != 1 << PI_COMMAND_RW || c->deac) &&
	    !pi_layouts[o->layout].passthru)
		return pi_refuse("write_mode, verify_mode=compare and deac are for NVMe commands; drop them or name the character device /dev/ngXnY");
	if (c->deac && !(sent & 1 << PI_COMMAND_ZEROES))
		return pi_refuse("deac is a flag of Write Zeroes; add write_mode=zeroes or drop it");
	if (sent == 1 << PI_COMMAND_RW)
		return 0;
	if (sent & ~(1 << PI_COMMAND_RW | 1 << PI_COMMAND_COMPARE) && !td_write(td))
		return pi_refuse("write_mode selects the command that a write sends, but this job has no writes; use rw=write or the like, or drop it");
	return check_meaning(td, sent);
}

/* check the size of commands without a data transfer */
static int check_size(struct thread_data *td, struct fio_file *f,
		      const struct pi_command_support *support,
		      unsigned int sent, const struct pi_format *format)
{
	const uint64_t bs = td->o.max_bs[DDIR_WRITE];

	for (int i = PI_COMMAND_RW + 1; i < PI_NR_COMMANDS; i++) {
		uint64_t max = (uint64_t)pi_format_stride(format) << 16;

		if (!(sent & 1 << i) || pi_command_kinds[i].data)
			continue;
		if (support->max_bytes[i])
			max = min(max, support->max_bytes[i]);
		if (bs <= max)
			continue;
		log_err("io_uring_pi: %s: bs=%" PRIu64 " is more than the %" PRIu64 " bytes that one %s can name here; use a smaller bs\n",
			f->file_name, bs, max, pi_command_kinds[i].title);
		return EINVAL;
	}
	return 0;
}

static int check_support(struct fio_file *f, unsigned int sent, bool deac,
			 const struct pi_command_support *support)
{
	const unsigned int lacks = sent & ~support->has;

	if (lacks) {
		log_err("io_uring_pi: %s: the drive does not support the %s command (ONCS, Commands Supported and Effects); use another %s\n",
			f->file_name, pi_command_kinds[__builtin_ctz(lacks)].title,
			lacks == 1 << PI_COMMAND_COMPARE ? "verify_mode" : "write_mode");
		return EOPNOTSUPP;
	}
	if (deac && !support->deac)
		return pi_refuse_file(f, EOPNOTSUPP,
			"deac: the drive does not support the Deallocate bit in Write Zeroes (DLFEAT); drop it");
	return 0;
}

static int check_target(struct thread_data *td, struct fio_file *f,
			const struct pi_device *dev,
			const struct pi_format *format)
{
	const struct pi_options *o = td->eo;
	const unsigned int sent = pi_commands_sent(&o->commands);
	const unsigned int moves = 1 << PI_COMMAND_RW | 1 << PI_COMMAND_COMPARE;
	struct pi_command_support support;
	struct pi_device wide = *dev;
	struct pi_reason reason;
	int fd, ret;

	fd = open(f->file_name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pi_refuse_file(f, errno, strerror(errno));
	ret = -pi_command_probe(fd, &support, &reason);
	close(fd);
	if (ret)
		return pi_refuse_file(f, ret, reason.text);
	ret = check_support(f, sent, o->commands.deac, &support) ?:
	      check_size(td, f, &support, sent, format);
	if (ret)
		return ret;
	if (!(sent & moves) && !td_read(td) && td->o.verify == VERIFY_NONE)
		wide.max_bytes = UINT64_MAX;
	return pi_path_passthru.check_target(td, f, &wide, format);
}

static int check_job(struct thread_data *td)
{
	return pi_path_passthru.check_job(td);
}

static int set_target(struct pi_target *target, const struct pi_device *dev,
		      const struct pi_options *o)
{
	return pi_path_passthru.set_target(target, dev, o);
}

static int init(struct thread_data *td)
{
	return pi_path_passthru.init(td);
}

/* spread the shares evenly, in the same order in every run */
static enum pi_command next_command(struct pi_engine *e,
				    const struct pi_command_options *c)
{
	unsigned int next = 0;
	int total = 0;

	for (unsigned int i = 0; i < c->nr; i++) {
		e->command_debt[i] += c->shares[i].percent;
		total += c->shares[i].percent;
		if (e->command_debt[i] > e->command_debt[next])
			next = i;
	}
	e->command_debt[next] -= total;
	return c->nr ? c->shares[next].command : PI_COMMAND_RW;
}

/* tell fio's verify what to expect in place of the data of a write */
static void tell_fio(struct thread_data *td, struct io_u *io_u,
		     enum pi_command command, bool deac)
{
	if (!PI_IO_U_F_ZEROED)
		return;
	io_u_clear(td, io_u, IO_U_F_TRIMMED | PI_IO_U_F_ZEROED | PI_IO_U_F_ERRORED);
	if (command == PI_COMMAND_ZEROES)
		io_u_set(td, io_u, deac ? IO_U_F_TRIMMED : PI_IO_U_F_ZEROED);
	else if (command == PI_COMMAND_UNCOR)
		io_u_set(td, io_u, PI_IO_U_F_ERRORED);
}

static void convert_write(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_options *o = td->eo;
	const struct pi_target *t = FILE_ENG_DATA(io_u->file);
	enum pi_command command = next_command(e, &o->commands);
	uint32_t control = 0;

	tell_fio(td, io_u, command, o->commands.deac);
	if (command == PI_COMMAND_RW)
		return;
	/* with PRACT the drive generates the tuples of the zeroes */
	if (command == PI_COMMAND_ZEROES)
		control = (t->format.guard->pi_size ? NVME_IO_PRINFO_PRACT : 0) |
			  (o->commands.deac ? NVME_IO_DEAC : 0);
	if (command == PI_COMMAND_VERIFY)
		control = t->ns.control[DDIR_READ] & NVME_IO_STC;
	pi_command_convert(&e->ios.io[io_u->index], command, control);
}

/* regenerate what was written, for the device to compare with */
static void convert_read(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_target *t = FILE_ENG_DATA(io_u->file);

	if (io_u->flags & PI_IO_U_F_ZEROED)
		memset(io_u->xfer_buf, 0, io_u->xfer_buflen);
	else
		populate_verify_io_u(td, io_u);
	io_u_set(td, io_u, PI_IO_U_F_VER_IN_DEV);
	e->generate_next(td, io_u);
	pi_command_convert(&e->ios.io[io_u->index], PI_COMMAND_COMPARE,
			   t->ns.control[DDIR_READ] & NVME_IO_STC);
}

static PI_ALWAYS_INLINE int prep(struct thread_data *td, struct io_u *io_u,
				 bool vectored)
{
	const struct pi_options *o = td->eo;
	int ret = pi_path_passthru.prep[vectored](td, io_u);

	if (ret || io_u->ddir > DDIR_WRITE)
		return ret;
	if (io_u->ddir == DDIR_WRITE) {
		convert_write(td, io_u);
		return 0;
	}
	io_u_clear(td, io_u, PI_IO_U_F_VER_IN_DEV);
	if (io_u->flags & IO_U_F_VER_LIST &&
	    o->commands.verify_mode == PI_VERIFY_MODE_COMPARE)
		convert_read(td, io_u);
	return 0;
}

static int prep_single(struct thread_data *td, struct io_u *io_u)
{
	return prep(td, io_u, false);
}

static int prep_vectored(struct thread_data *td, struct io_u *io_u)
{
	return prep(td, io_u, true);
}

static void generate(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const enum pi_command command = pi_command_of(&e->ios.io[io_u->index]);

	if (pi_command_kinds[command].data)
		e->generate_next(td, io_u);
}

static void choose(struct thread_data *td)
{
	struct pi_engine *e = td->io_ops_data;

	e->generate = generate;
}

/* read the blocks back, because the status does not say what differs */
static void find_difference(struct thread_data *td, struct io_u *io_u)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_target *t = FILE_ENG_DATA(io_u->file);
	struct pi_io *io = &e->ios.io[io_u->index];
	struct pi_io_ctx ctx = pi_io_ctx(td, io_u, PI_BY_DEVICE, io->blocks);
	const size_t md_len = (size_t)io->blocks * t->md_size;
	char *sent = malloc(io_u->xfer_buflen + md_len);

	ctx.status = STATUS_COMPARE_FAILED;
	e->errors.device_ios++;
	io_u->error = EILSEQ;
	if (sent) {
		memcpy(sent, io_u->xfer_buf, io_u->xfer_buflen);
		memcpy(sent + io_u->xfer_buflen, io->md, md_len);
	}
	if (sent && pi_reread(td, io_u))
		pi_errors_differ(&e->errors, &ctx, sent);
	else
		pi_errors_command(&e->errors, &ctx);
	free(sent);
}

static struct io_u *event(struct thread_data *td, struct io_u *io_u, int res)
{
	struct pi_engine *e = td->io_ops_data;
	const struct pi_io *io = &e->ios.io[io_u->index];
	const enum pi_command command = pi_command_of(io);

	if (res > 0 && command == PI_COMMAND_COMPARE &&
	    pi_nvme_status(res) == STATUS_COMPARE_FAILED) {
		find_difference(td, io_u);
		return io_u;
	}
	/* Write Uncorrectable was sent here, so verify= expects an error */
	if (res > 0 && io_u->flags & PI_IO_U_F_ERRORED &&
	    io_u->flags & IO_U_F_VER_LIST) {
		io_u->error = EIO;
		return io_u;
	}
	if (res || command == PI_COMMAND_RW)
		return pi_path_passthru.event(td, io_u, res);
	e->stats.pi_ios++;
	e->stats.commands[command] += io->blocks;
	return io_u;
}

static struct io_u *event_other(struct thread_data *td, struct io_u *io_u,
				int res)
{
	return pi_path_passthru.event_other(td, io_u, res);
}

const struct pi_path_ops pi_path_commands = {
	.masks_app	= true,
	.check_job	= check_job,
	.check_target	= check_target,
	.set_target	= set_target,
	.init		= init,
	.prep		= { prep_single, prep_vectored },
	.choose		= choose,
	.event		= event,
	.event_other	= event_other,
};
