/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What insn-plugin takes of QEMU's interface for plugins: version 4 (QEMU 9.2
 * to 11.0) and version 7 (11.1 and newer).  Where they differ, a function is
 * declared as in 7, and what it calls is cast.  Debian has no package with
 * QEMU's own header.
 */
#ifndef QEMU_PLUGIN_H
#define QEMU_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QEMU_PLUGIN_API	4
#define QEMU_PLUGIN_API_USERDATA	7	/* its callbacks get the pointer they were given, and no id */

enum qemu_plugin_cb_flags {
	QEMU_PLUGIN_CB_NO_REGS,
	QEMU_PLUGIN_CB_R_REGS,
};

enum qemu_plugin_op {
	QEMU_PLUGIN_INLINE_ADD_U64,
	QEMU_PLUGIN_INLINE_STORE_U64,
};

enum qemu_plugin_cond {
	QEMU_PLUGIN_COND_EQ = 2,
	QEMU_PLUGIN_COND_NE,
};

enum qemu_plugin_mem_rw {
	QEMU_PLUGIN_MEM_RW = 3,
};

struct qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_register;
struct qemu_plugin_scoreboard;
struct qemu_plugin_hwaddr;

struct qemu_plugin_u64 {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
};

/* as it begins: versions add to its end */
struct qemu_plugin_reg_descriptor {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
};

/* glib's, which QEMU brings */
struct g_array {
	char *data;
	unsigned int len;
};

struct g_byte_array {
	uint8_t *data;
	unsigned int len;
};

unsigned int g_array_get_element_size(struct g_array *array);
struct g_byte_array *g_byte_array_new(void);

void qemu_plugin_reset(uint64_t id, void (*cb)(void *data), void *data);
void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*cb)(void),
				       void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(void),
					   void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to,
			     size_t len);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int vcpu,
						       void *data),
					    enum qemu_plugin_cb_flags flags,
					    void *data);
void qemu_plugin_register_vcpu_insn_exec_cond_cb(struct qemu_plugin_insn *insn,
						 void (*cb)(unsigned int vcpu,
							    void *data),
						 enum qemu_plugin_cb_flags flags,
						 enum qemu_plugin_cond cond,
						 struct qemu_plugin_u64 entry,
						 uint64_t value, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
	struct qemu_plugin_insn *insn, enum qemu_plugin_op op,
	struct qemu_plugin_u64 entry, uint64_t value);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned int vcpu,
						 uint32_t info,
						 uint64_t address, void *data),
				      enum qemu_plugin_cb_flags flags,
				      enum qemu_plugin_mem_rw rw, void *data);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info,
						  uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *at);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *at);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score,
				  unsigned int vcpu);
struct g_array *qemu_plugin_get_registers(void);
bool qemu_plugin_read_memory_vaddr(uint64_t address, struct g_byte_array *to,
				   size_t len);
int qemu_plugin_read_register(struct qemu_plugin_register *handle,
			      struct g_byte_array *to);

#endif
