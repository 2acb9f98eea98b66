# make            build the tools into build/bin/
# make demo       install what is missing, build, and show the main job on this machine's file list
# make check      install what is missing, build, run every test
# make step       stop and kill the protocols after every instruction (part of check)
# make fuzz       damage what is in shared memory, and input, under AddressSanitizer (part of check)
# make threads    the lock-free core as threads, under ThreadSanitizer (part of check)
# make storm      processes and mqd killed and stopped all the time, counted from outside (part of check)
# make storm-disk the same of topics on disk: mqd is killed, too, and the memory lost (part of check)
# make simdisk    the store on a simulated disk that crashes at any operation (part of check)
# make soak       more of it: loops, pairs of stops, larger models
# make bench      measure against pipes and other brokers; make bench-deps installs those
# make install    into PREFIX (/usr/local), under DESTDIR
# make clean      remove build/
# make help       list this

VERSION := $(shell sed -n 's/^\#define SHMQ_VERSION "\(.*\)"/\1/p' libshm/shmq.h)

# Users own these.
CFLAGS   ?= -O2 -g
LDFLAGS  ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
OBJCOPY  ?= objcopy
BINDIR   ?= $(PREFIX)/bin
MANDIR   ?= $(PREFIX)/share/man
LIBDIR   ?= $(PREFIX)/lib
INCDIR   ?= $(PREFIX)/include
SHAREDIR ?= $(PREFIX)/share

# VARIANT keeps objects of different compilers and sanitizers apart: build/$(VARIANT)/.
VARIANT ?= release
B := build/$(VARIANT)
BIN := $(if $(filter release,$(VARIANT)),build/bin,$(B)/bin)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
ifeq ($(CI),true)
WARN += -Werror
endif
SANITIZE ?=
BASE := -std=c11 -D_GNU_SOURCE $(WARN) $(SANITIZE) -fno-strict-aliasing -fvisibility=hidden \
        -Ilibshm -Icmd/common -MMD -MP
COMPILE = $(CC) $(CFLAGS) $(BASE) $(CPPFLAGS)
LINK = $(CC) $(SANITIZE) $(CFLAGS) $(LDFLAGS)

TOOLS := mqpub mqsub mqd mqdlq
LIB_SRC := $(wildcard libshm/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
# The bulk kernels once more for wider vectors; chosen at run time.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ifeq (x86_64,$(MACHINE))
LIB_OBJ += $(B)/libshm/bulk_avx2.o
BULK_AVX2 := -DBULK_HAVE_AVX2
endif
LIB := $(B)/libshm.a
COMMON_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard cmd/common/*.c))
COMMON := $(B)/libcommon.a

.DEFAULT_GOAL := all
.PHONY: all
all: $(TOOLS:%=$(BIN)/%) completions-made

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(B)/libshm/bulk.o: BASE += -O3 $(BULK_AVX2)
$(B)/libshm/bulk_avx2.o: libshm/bulk.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -O3 -mavx2 -DBULK_AVX2 -c -o $@ $<

# One object, of which only shmq_* can be seen: nothing of ours collides with a program's names.
$(B)/libshm.o: $(LIB_OBJ)
	$(CC) $(SANITIZE) -r -nostdlib -o $@ $^
	$(OBJCOPY) -w --keep-global-symbol='shmq_*' $@
$(LIB): $(B)/libshm.o
	@rm -f $@
	$(AR) rcs $@ $^
$(COMMON): $(COMMON_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# How mqd reaches a disk; unit tests do, too.
STORE_SRC := $(wildcard cmd/mqd/store/*.c)
STORE_OBJ := $(STORE_SRC:%.c=$(B)/%.o)
STORE_LIBS := -l:liburing.a
$(STORE_OBJ) $(B)/tests/unit/%.o $(B)/cmd/mqd/serve.o $(B)/cmd/mqd/check.o: BASE += -Icmd/mqd/store
# mqd is one side of the protocol: it sees the library from inside.
mqd_OBJ := $(STORE_OBJ) $(LIB_OBJ)
mqd_LIBS := $(STORE_LIBS)

tool_src = $(wildcard cmd/$(1).c cmd/$(1)/*.c)
define tool
$(BIN)/$(1): $(patsubst %.c,$(B)/%.o,$(call tool_src,$(1))) $($(1)_OBJ) $(COMMON) $(if $($(1)_OBJ),,$(LIB))
	@mkdir -p $$(@D)
	$$(LINK) -o $$@ $$^ -l:libjansson.a $($(1)_LIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool,$(t))))


# ---- completions -----------------------------------------------------------------------
# Made from the tools' option tables.
C := $(if $(filter release,$(VARIANT)),build/completions,$(B)/completions)
COMPLETIONS := $(C)/shmq.bash $(C)/_shmq $(C)/shmq.fish
$(C)/gen: completions/gen.c $(wildcard cmd/*/*.def)
	@mkdir -p $(@D)
	$(COMPILE) $(TOOLS:%=-Icmd/%) -o $@ $<
$(C)/shmq.bash: completions/bash.in $(C)/gen
	$(C)/gen bash <$< >$@
$(C)/_shmq: completions/zsh.in $(C)/gen
	$(C)/gen zsh <$< >$@
$(C)/shmq.fish: completions/fish.in $(C)/gen
	$(C)/gen fish <$< >$@
.PHONY: completions-made
completions-made: $(COMPLETIONS)

# ---- dependencies ----------------------------------------------------------------------
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# header or program that shows it is there : Debian package
BUILD_DEPS := /usr/include/xxhash.h:libxxhash-dev /usr/include/jansson.h:libjansson-dev \
              /usr/include/liburing.h:liburing-dev
CHECK_DEPS := /usr/bin/bats:bats /usr/bin/mandoc:mandoc /usr/bin/spin:spin /usr/bin/jq:jq \
              /usr/bin/zsh:zsh /usr/bin/fish:fish /usr/bin/perl:perl /usr/bin/script:bsdutils
missing = $(foreach d,$(1),$(if $(wildcard $(firstword $(subst :, ,$(d)))),,$(lastword $(subst :, ,$(d)))))
define install_missing
@set -- $(call missing,$(1)); [ $$# -eq 0 ] || { \
	command -v apt-get >/dev/null || { echo "please install (names as in Debian): $$*" >&2; exit 1; }; \
	echo "installing $$*"; \
	$(SUDO) apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$* >/dev/null; }
endef
.PHONY: deps check-deps
deps:
	$(call install_missing,$(BUILD_DEPS))
check-deps: deps
	$(call install_missing,$(CHECK_DEPS))

# ---- demo ------------------------------------------------------------------------------
.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory all
	@tests/demo/run

# ---- tests -----------------------------------------------------------------------------
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*_test.c))
# Unit tests see the library from inside.
$(B)/unit/%: $(B)/tests/unit/%.o $(STORE_OBJ) $(COMMON) $(LIB_OBJ)
	@mkdir -p $(@D)
	$(LINK) $(UNIT_WRAP) -o $@ $^ -l:libjansson.a $(STORE_LIBS) -lpthread
# tests/unit/seams.h
$(B)/unit/group_races_test $(B)/unit/group_edges_test: UNIT_WRAP := \
        -Wl,--wrap=bell_sleep,--wrap=log_known_end,--wrap=ring_place,--wrap=ring_link_at,--wrap=realloc
# Where somebody is killed, or stands still, in the middle of settling.
$(B)/unit/settle_test: UNIT_WRAP := -Wl,--wrap=intent_write,--wrap=ring_link_at,--wrap=ring_linked
# Where a message is done, and its settler has said so to nobody.
$(B)/unit/store_acks_test: UNIT_WRAP := -Wl,--wrap=lane_count
# A disk in memory, for what is tested with crashes.
SIMDISK_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/simdisk/*.c))
SIMDISK_TESTS := sim_test sim_walk_test store_flip_test store_acks_test
$(SIMDISK_OBJ) $(SIMDISK_TESTS:%=$(B)/tests/unit/%.o): BASE += -Itests/simdisk -Itests/fuzz -Icmd/mqd/store
$(SIMDISK_TESTS:%=$(B)/unit/%): $(SIMDISK_OBJ)
# The store on it: crashed at any operation.
SIMRUN_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/simdisk/run/*.c))
$(SIMRUN_OBJ): BASE += -Itests/simdisk -Itests/fuzz -Itests/unit -Icmd/mqd/store
SIMRUN_WRAP := -Wl,--wrap=clock_gettime,--wrap=usleep,--wrap=getrandom,--wrap=bell_sleep \
        -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
$(B)/tests/simdisk/simdisk: $(SIMRUN_OBJ) $(SIMDISK_OBJ) $(STORE_OBJ) $(LIB_OBJ)
	$(LINK) $(SIMRUN_WRAP) -o $@ $^ $(STORE_LIBS)
# A kernel and a disk that refuse, and the last entry of the ring.
$(B)/unit/io_test $(B)/unit/io_open_test: UNIT_WRAP := -Wl,--wrap=pread,--wrap=pwrite,--wrap=pwritev2,--wrap=fdatasync,--wrap=fallocate \
        -Wl,--wrap=io_uring_submit,--wrap=io_uring_queue_init_params,--wrap=posix_fadvise

STEP_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/step/*.c))
STEP_WRAP := -Wl,--wrap=syscall,--wrap=clock_gettime,--wrap=nanosleep,--wrap=clock_nanosleep,--wrap=ring_link_at
# Static and not position independent: an operation is then at the same addresses in each run. The objects,
# not the library: a call inside it is wrapped, too.
$(B)/tests/step/step: $(STEP_OBJ) $(LIB_OBJ)
	$(LINK) -static -no-pie $(STEP_WRAP) -o $@ $^

# Hostile memory and input, under sanitizers; the lock-free core as threads. Variants of their own, so
# that their objects never mix with others.
ASAN := VARIANT=asan CFLAGS="-O1 -g" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all \
        -fno-omit-frame-pointer"
ignored = $(if $(shell $(CC) -Werror $(1) -E - </dev/null >/dev/null 2>&1 && echo yes), $(1))
# What gcc warns of: TSan does not see fences. Who copies what is guarded by one is not instrumented.
TSAN := VARIANT=tsan CFLAGS="-O1 -g" SANITIZE="-fsanitize=thread$(call ignored,-Wno-tsan)"
FUZZ_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/fuzz/*.c))
$(B)/tests/fuzz/fuzz: $(FUZZ_OBJ) $(COMMON) $(LIB_OBJ)
	$(LINK) -Wl,--wrap=mmap,--wrap=munmap -o $@ $^ -l:libjansson.a -lpthread
$(B)/tests/fuzz/fuzz.o: BASE += -Itests/unit
THREADS_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/threads/*.c))
$(B)/tests/threads/threads: $(THREADS_OBJ) $(LIB_OBJ)
	$(LINK) -Wl,--wrap=mmap,--wrap=munmap,--wrap=linkat -o $@ $^ -lpthread
$(B)/tests/threads/%.o: BASE += -Itests/unit -Itests/fuzz
STORM_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/storm/*.c))
$(B)/tests/storm/storm: $(STORM_OBJ) $(LIB)
	$(LINK) -o $@ $^
STORM_DISK_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/storm/disk/*.c))
$(B)/tests/storm/storm_disk: $(STORM_DISK_OBJ) $(LIB)
	$(LINK) -o $@ $^
$(B)/tests/storm/%.o: BASE += -Itests/unit -Itests/fuzz

.SECONDARY:
.PHONY: check unit bats models step fuzz threads storm storm-disk simdisk soak
check: check-deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory unit bats models step fuzz threads storm storm-disk simdisk
fuzz:
	@$(MAKE) --no-print-directory $(ASAN) build/asan/tests/fuzz/fuzz
	build/asan/tests/fuzz/fuzz --seconds $(or $(RUN_SECONDS),15)
threads: $(B)/tests/threads/threads
	@$(MAKE) --no-print-directory $(TSAN) build/tsan/tests/threads/threads
	$< --seconds $(or $(RUN_SECONDS),4)
	build/tsan/tests/threads/threads --seconds $(or $(RUN_SECONDS),10)
storm: $(B)/tests/storm/storm
	$< --seconds $(or $(RUN_SECONDS),12)
storm-disk: $(B)/tests/storm/storm_disk $(BIN)/mqd
	$(B)/tests/storm/storm_disk --mqd $(BIN)/mqd --io uring --seconds $(or $(RUN_SECONDS),8)
	$(B)/tests/storm/storm_disk --mqd $(BIN)/mqd --io sync --seconds $(or $(RUN_SECONDS),8)
simdisk: $(B)/tests/simdisk/simdisk
	$< --seconds $(or $(RUN_SECONDS),20)
unit: $(UNIT:%=$(B)/unit/%)
	@set -e; for t in $^; do echo "# $$t"; $$t; done
bats: all build/no_uring
	bats tests
# A launcher for tests: io_uring is refused to what it starts.
build/no_uring: tests/no_uring.c
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $<
models:
	tests/model/run
ifeq (x86_64,$(MACHINE))
step: $(B)/tests/step/step
	$<
soak: $(B)/tests/step/step
	$(MAKE) fuzz threads storm storm-disk simdisk RUN_SECONDS=600
	$< --soak
	tests/model/run soak
else
soak:
	$(MAKE) fuzz threads storm storm-disk simdisk RUN_SECONDS=600
step:
	@echo "the step harness runs on x86-64 only: skipped"
endif

# ---- benchmark -------------------------------------------------------------------------
# ZeroMQ, Redis and fio are peers to measure against; what is missing is named by its rows.
BENCH_ZMQ := $(shell pkg-config --exists libzmq 2>/dev/null && echo yes)
BENCH_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bench/*.c))
ifeq ($(BENCH_ZMQ),yes)
$(B)/tests/bench/peer_zmq.o: BASE += -DBENCH_HAVE_ZMQ $(shell pkg-config --cflags libzmq)
BENCH_LIBS := $(shell pkg-config --libs libzmq)
endif
BENCH_HIREDIS := $(shell pkg-config --exists hiredis 2>/dev/null && echo yes)
ifeq ($(BENCH_HIREDIS),yes)
$(B)/tests/bench/peer_redis.o: BASE += -DBENCH_HAVE_HIREDIS
BENCH_LIBS += $(shell pkg-config --libs hiredis)
endif
build/bench/bench: $(BENCH_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(BENCH_LIBS) -lrt
.PHONY: bench bench-deps
bench: $(BIN)/mqpub $(BIN)/mqsub $(BIN)/mqd build/bench/bench
	tests/bench/run $(ROWS)
bench-deps:
	$(SUDO) apt-get install -y --no-install-recommends pkg-config libzmq3-dev redis-server libhiredis-dev fio
	rm -f $(B)/tests/bench/peer_zmq.o $(B)/tests/bench/peer_redis.o

# ---- the rest --------------------------------------------------------------------------
.PHONY: install clean help
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCDIR)
	install -m 755 $(TOOLS:%=$(BIN)/%) $(DESTDIR)$(BINDIR)
	install -m 644 $(LIB) $(DESTDIR)$(LIBDIR)
	install -m 644 libshm/shmq.h $(DESTDIR)$(INCDIR)
	for m in man/*.[1-9]; do d=$(DESTDIR)$(MANDIR)/man$${m##*.}; \
		install -d $$d && install -m 644 $$m $$d || exit 1; done
	install -d $(DESTDIR)$(SHAREDIR)/bash-completion/completions \
		$(DESTDIR)$(SHAREDIR)/zsh/site-functions $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d
	for t in $(TOOLS); do \
		install -m 644 $(C)/shmq.bash $(DESTDIR)$(SHAREDIR)/bash-completion/completions/$$t && \
		install -m 644 $(C)/shmq.fish $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/$$t.fish || exit 1; done
	install -m 644 $(C)/_shmq $(DESTDIR)$(SHAREDIR)/zsh/site-functions
clean:
	rm -rf build
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
