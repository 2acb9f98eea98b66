# make            build the tools into build/bin/
# make demo       install what is missing, build, and show the main job on this machine's file list
# make check      install what is missing, build, run every test
# make help       list everything

VERSION := $(shell sed -n 's/^\#define SHMQ_VERSION "\(.*\)"/\1/p' libshm/shmq.h)

# Users own these.
CFLAGS   ?= -O2 -g
LDFLAGS  ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
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

TOOLS := mqpub mqsub mqd
LIB_SRC := $(wildcard libshm/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
# The bulk kernels once more for wider vectors; chosen at run time.
ifneq (,$(filter x86_64,$(shell $(CC) -dumpmachine)))
LIB_OBJ += $(B)/libshm/bulk_avx2.o
BULK_AVX2 := -DBULK_HAVE_AVX2
endif
LIB := $(B)/libshm.a
COMMON_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard cmd/common/*.c))
COMMON := $(B)/libcommon.a

.PHONY: all
all: $(TOOLS:%=$(BIN)/%) completions

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(B)/libshm/bulk.o: BASE += -O3 $(BULK_AVX2)
$(B)/libshm/bulk_avx2.o: libshm/bulk.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -O3 -mavx2 -DBULK_AVX2 -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(COMMON): $(COMMON_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

tool_src = $(wildcard cmd/$(1).c cmd/$(1)/*.c)
define tool
$(BIN)/$(1): $(patsubst %.c,$(B)/%.o,$(call tool_src,$(1))) $(COMMON) $(LIB)
	@mkdir -p $$(@D)
	$$(LINK) -o $$@ $$^ -l:libjansson.a
endef
$(foreach t,$(TOOLS),$(eval $(call tool,$(t))))

-include $(shell find $(B) -name '*.d' 2>/dev/null)
