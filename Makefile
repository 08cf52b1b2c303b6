# One Makefile for everything; nothing in it names a source file, so a new file needs no line here.
#
# Each VARIANT (release, debug, asan, ubsan, tsan, fuzz) is a complete build in a directory of its
# own: objects, one static archive a layer, programs. The release build lives in build/ itself.
# Every archive may use only those that come after it when a program is linked, so a layer that
# reaches upwards does not link.

-include config.mk
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
# All cores, unless `make -j1` says otherwise.
MAKEFLAGS += -r -R $(if $(JOBS),-j$(JOBS))

config.mk: configure
	./configure $(CONFIGURE_ARGUMENTS)

# --- Flags ----------------------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
    -Wmissing-prototypes $(WERROR)
CFLAGS_ALL = -std=gnu17 -D_GNU_SOURCE -I. $(WARNINGS) $(CFLAGS_LIBS) -g -pthread -MMD -MP
SANITIZE_ASAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_UBSAN = -fsanitize=undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_TSAN = -fsanitize=thread -fno-omit-frame-pointer

# DIR_v, CC_v, AR_v, CFLAGS_v, LDFLAGS_v, LIBS_v for each variant v.
VARIANTS = release debug asan ubsan tsan fuzz
DIR_release = build
CFLAGS_release = -O3 -flto $(CFLAGS_JEMALLOC)
LDFLAGS_release = -O3 -flto=auto
LIBS_release = $(LIBS_JEMALLOC)
CFLAGS_debug = -O1 -DKV_DEBUG $(CFLAGS_JEMALLOC)
LIBS_debug = $(LIBS_JEMALLOC)
CFLAGS_asan = -O1 -DKV_DEBUG $(SANITIZE_ASAN)
LDFLAGS_asan = $(SANITIZE_ASAN)
CFLAGS_ubsan = -O1 -DKV_DEBUG $(SANITIZE_UBSAN)
LDFLAGS_ubsan = $(SANITIZE_UBSAN)
CFLAGS_tsan = -O1 -DKV_DEBUG $(SANITIZE_TSAN)
LDFLAGS_tsan = $(SANITIZE_TSAN)
# Only clang has libFuzzer. Its warnings are not gcc's, which judges: none of them stops this build.
CC_fuzz = $(CLANG)
AR_fuzz = ar
CFLAGS_fuzz = -O1 -DKV_DEBUG -DKV_FUZZ -Wno-error -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_fuzz = -fsanitize=address,undefined

# --- Sources --------------------------------------------------------------------------------------

SOURCES_core := $(wildcard core/*.c core/base/*.c core/ds/*.c core/type/*.c)
SOURCES_cmd := $(wildcard core/cmd/*.c core/script/*.c)
SOURCES_persistence := $(wildcard persistence/*.c)
SOURCES_net := $(wildcard net/*.c)
SOURCES_support := $(wildcard tests/support/*.c)
# A main() each; tools/kv_server_host.c is a part of tools/kv_server.c, and so on.
SOURCES_tools := $(wildcard tools/*.c)
parts_of = $(filter $(1:.c=)_%.c,$(SOURCES_tools))
PARTS := $(foreach source,$(SOURCES_tools),$(call parts_of,$(source)))
SOURCES_programs := $(filter-out $(PARTS),$(SOURCES_tools))
SOURCES_unit := $(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null))
SOURCES_crash := $(wildcard tests/crash/*_test.c)
SOURCES_bench := $(wildcard tests/bench/*.c)
SOURCES_fuzz := $(wildcard tests/fuzz/*_fuzz.c)
# The entry script is the container image's own.
SCRIPTS := $(filter-out tools/kv-entrypoint,$(wildcard tools/kv-*))
ARCHIVES = support cmd persistence net core

# The archives that a program may use, by where it lies: its own layer and those below.
archives_of = $(strip $(if $(filter tests/%,$(1)),support) $(or \
    $(if $(filter tests/unit/core/cmd/% tests/unit/core/script/%,$(1)),cmd core), \
    $(if $(filter tests/unit/core/%,$(1)),core), \
    $(if $(filter tests/unit/persistence/%,$(1)),persistence core), \
    $(if $(filter tests/unit/net/%,$(1)),net core), \
    $(if $(filter tools/kv_server.c,$(1)),cmd persistence net core), \
    cmd persistence core))
# tools/kv_check_aof.c makes build/kv-check-aof, tests/unit/core/base/num_test.c makes
# build/unit/core/base/num_test.
program_of = $(patsubst tests/%,%,$(patsubst tools/%,%, \
    $(if $(filter tools/%,$(1)),$(subst _,-,$(1:.c=)),$(1:.c=))))
programs_of = $(foreach source,$(2),$(DIR_$(1))/$(call program_of,$(source)))

# --- Rules, written once and stamped for each variant ---------------------------------------------

# archive VARIANT NAME
define archive
$(DIR_$(1))/lib$(2).a: $(SOURCES_$(2):%.c=$(DIR_$(1))/obj/%.o) $(DIR_$(1))/lib$(2).list
	@rm -f $$@
	@$(AR_$(1)) rcs $$@ $$(filter %.o,$$^)
# Changes when a source file comes or goes, so that no archive keeps the object of a file that has
# moved.
$(DIR_$(1))/lib$(2).list: FORCE
	@mkdir -p $$(@D)
	@echo '$(SOURCES_$(2))' | cmp -s - $$@ || echo '$(SOURCES_$(2))' >$$@
endef

# program VARIANT SOURCE EXTRA-LIBRARIES
define program
$(DIR_$(1))/$(call program_of,$(2)): \
    $(foreach source,$(2) $(call parts_of,$(2)),$(DIR_$(1))/obj/$(source:.c=.o)) \
    $(foreach name,$(call archives_of,$(2)),$(DIR_$(1))/lib$(name).a)
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	@$(CC_$(1)) -o $$@ $$^ -pthread -Wl,--as-needed $(LDFLAGS_$(1)) $(LDFLAGS_USER) $(3) \
	    $(if $(filter net,$(call archives_of,$(2))),$(LIBS_NET)) $(LIBS_BASE) $(LIBS_$(1)) -lm
endef

define variant
DIR_$(1) ?= build/$(1)
CC_$(1) ?= $(CC)
AR_$(1) ?= $(AR)
$$(DIR_$(1))/obj/%.o: %.c build/flags
	@mkdir -p $$(@D)
	@echo "  CC $$@"
	@$$(CC_$(1)) $$(CFLAGS_ALL) $$(CFLAGS_$(1)) $$(CFLAGS_USER) -c -o $$@ $$<
endef
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))
$(foreach v,$(VARIANTS),$(foreach a,$(ARCHIVES),$(eval $(call archive,$(v),$(a)))))
$(foreach v,$(filter-out fuzz,$(VARIANTS)),$(foreach s,$(SOURCES_programs) $(SOURCES_bench), \
    $(eval $(call program,$(v),$(s),))))
$(foreach v,$(filter-out fuzz,$(VARIANTS)),$(foreach s,$(SOURCES_unit) $(SOURCES_crash), \
    $(eval $(call program,$(v),$(s),$(LIBS_CMOCKA)))))
$(foreach s,$(SOURCES_fuzz),$(eval $(call program,fuzz,$(s),-fsanitize=fuzzer)))

# Changes when the flags do; every object depends on it.
build/flags: FORCE
	@mkdir -p build
	@cat config.mk Makefile | cmp -s - $@ || cat config.mk Makefile >$@

-include $(foreach v,$(VARIANTS),$(wildcard $(addprefix $(DIR_$(v))/obj/,$(addsuffix /*.d, \
    core core/base core/ds core/type core/cmd core/script persistence net tools tests/support \
    tests/crash tests/fuzz tests/bench $(sort $(patsubst %/,%,$(dir $(SOURCES_unit))))))))

# --- What one asks for ----------------------------------------------------------------------------

# Tests of single parts run with all invariants checked; those over the wire run the build that was
# configured.
UNIT_VARIANT := $(if $(filter release,$(VARIANT)),debug,$(VARIANT))
PROGRAMS := $(call programs_of,$(VARIANT),$(SOURCES_programs))
UNIT := $(call programs_of,$(UNIT_VARIANT),$(SOURCES_unit))
CRASH := $(call programs_of,$(UNIT_VARIANT),$(SOURCES_crash))
FUZZ := $(if $(filter yes,$(HAVE_FUZZ)),$(call programs_of,fuzz,$(SOURCES_fuzz)))
THREADED := tests/unit/persistence/% tests/unit/net/% tests/unit/core/base/reaper_test.c
# With a sanitizer: the unit tests and the quick part of the wire tests; threads meet in the log and
# in the loop.
ASAN := $(call programs_of,asan,$(SOURCES_unit) $(SOURCES_programs))
TSAN := $(call programs_of,tsan,\
    $(filter $(THREADED),$(SOURCES_unit)) $(SOURCES_programs))
# The style test reads the objects too: it looks for variables.
TIDY := $(foreach name,cmd persistence net core,build/debug/lib$(name).a)
SERVER := $(DIR_$(VARIANT))/kv-server
# The clients from npm that tests/wire/test_node_clients.py puts to work: pinned, never needed to
# build. Without npm or its registry nothing fails here; those tests then skip and say why.
NODE := build/node/node_modules/.package-lock.json
FUZZ_SECONDS ?= 20
RUN = FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTHON) -B tests/support/run_suites.py --variant $(VARIANT) \
    --jobs $(or $(JOBS),2)

.PHONY: all run test check unit wire crash bench fuzz tidy asan tsan node install deps clean FORCE
FORCE:

# The archives too: a file that no program uses yet must compile.
all: $(PROGRAMS) $(foreach name,cmd persistence net core,$(DIR_$(VARIANT))/lib$(name).a)

run: all
	@mkdir -p data
	$(SERVER) kv.conf

# Everything, and one closing line: N passed, N failed.
test: all $(NODE) $(TIDY) $(UNIT) $(CRASH) $(FUZZ) $(ASAN) $(TSAN)
	@$(RUN) --all unit wire crash tidy fuzz asan tsan

# What one runs before a commit.
check: all $(NODE) $(TIDY) $(UNIT)
	@$(RUN) unit wire tidy

unit: $(UNIT)
	@$(RUN) unit

wire: all $(NODE)
	@$(RUN) wire

crash: all $(CRASH)
	@$(RUN) crash

fuzz: $(FUZZ)
	@$(RUN) fuzz

tidy: $(TIDY)
	@$(RUN) tidy

asan: $(ASAN)
	@$(RUN) asan

tsan: $(TSAN)
	@$(RUN) tsan

node: $(NODE)

$(NODE): tests/support/node/package.json tests/support/node/package-lock.json
	@mkdir -p build/node
	@cp $^ build/node
	@echo "  NPM build/node"
	@(cd build/node && timeout 300 npm ci --ignore-scripts --no-audit --no-fund && touch \
	    node_modules/.package-lock.json) >build/node/npm.log 2>&1 || { rm -f $@; \
	    echo "  the tests of Node.js clients will be skipped: see build/node/npm.log"; }

bench: all $(call programs_of,$(VARIANT),$(SOURCES_bench))
	KV_SERVER=$(SERVER) $(if $(PEER),PEER=$(PEER)) $(PYTHON) -B tests/bench/bench.py $(BENCH)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SYSCONFDIR)
	install -m 755 $(PROGRAMS) $(SCRIPTS) $(DESTDIR)$(PREFIX)/bin
	[ -e $(DESTDIR)$(SYSCONFDIR)/kv.conf ] || install -m 644 kv.conf $(DESTDIR)$(SYSCONFDIR)/kv.conf

deps:
	./configure --install $(CONFIGURE_ARGUMENTS)

clean:
	rm -rf build
