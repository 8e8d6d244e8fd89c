/// The system calls that a jailed server may make.
#ifndef CE_SECCOMP_H
#define CE_SECCOMP_H

/// Compiles the filter of a jail for this architecture. Returns a memory file (close-on-exec) with the BPF
/// program, as bubblewrap's `--seccomp` takes it, or -errno.
int ce_seccomp_filter(void);

#endif
