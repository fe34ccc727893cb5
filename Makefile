# Targets: all (default) · test · fuzz · soak · bench · lint · analyze · install · uninstall · clean
#   make SAN=address | SAN=thread   builds into a folder of its own with that sanitizer (address includes undefined)
#   make LTO=no | LTO=yes           the daemon linked in a moment, a sixth slower; or, in a folder of its own,
#                                   optimised as one whole, where the default takes what runs for each event
#   make unit-FOLDER                builds and runs the unit tests of one folder, with what it stands on
#   make install DESTDIR=... PREFIX=/usr/local   programs, units, schema, and a configuration where there is none
#   make uninstall                  what install made, but for configuration and state
#   make deb                        a Debian package in build/deb (needs debhelper and fakeroot)
SAN ?=
LTO ?= events
BUILD ?= build$(if $(SAN),/$(SAN))$(if $(filter yes,$(LTO)),/lto)
CC ?= cc
PKG_CONFIG ?= pkg-config
VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Wswitch
# Tests under a sanitizer are built more often than they run: half the time of the compiler, and still lines in a report.
CFLAGS ?= $(if $(filter address thread,$(SAN)),-O1 -g1,-O2 -g)
SAN_FLAGS_address = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN_FLAGS_thread = -fsanitize=thread -fno-omit-frame-pointer
SAN_FLAGS_fuzz = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN_FLAGS = $(SAN_FLAGS_$(SAN))
# What the compiler has: buffer sizes known while running (gcc 12, clang), indirect jumps checked (x86).
has = $(shell echo 'int f(void *p); int f(void *p) { return $(2); }' | $(CC) -Werror -O2 $(1) -x c -c -o /dev/null - 2>/dev/null && echo yes)
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(if $(call has,,(int)__builtin_dynamic_object_size(p, 0)),3,2)
BRANCHES := $(if $(call has,-fcf-protection=full,p != 0),-fcf-protection=full)
HARDENING = -fPIE -fstack-protector-strong $(if $(SAN),,$(FORTIFY)) -fstack-clash-protection $(BRANCHES)
# To clear or copy a struct gcc writes `rep stos`, whose start costs more than libc's whole loop does.
TUNING_X86 := -mmemset-strategy=unrolled_loop:128:noalign,libcall:-1:noalign -mmemcpy-strategy=unrolled_loop:128:noalign,libcall:-1:noalign
TUNING := $(shell echo 'int x;' | $(CC) -Werror $(TUNING_X86) -x c -c -o /dev/null - 2>/dev/null && echo '$(TUNING_X86)')
# What runs for each event is optimised as one whole when the daemon is linked. Its objects hold plain code as well,
# which the unit tests link.
EVENT_SOURCES := daemon/base/% daemon/ws/% daemon/http/% $(addprefix daemon/net/,loop.c stream.c output.c shared.c wheel.c tls.c) \
    $(addprefix daemon/server/,session.c post.c connection.c cast.c share.c room.c table.c http.c request.c) \
    $(addprefix daemon/engine/,run.c pool.c strand.c step.c fill.c gate.c ended.c why.c flow.c unwind.c engine.c timers.c) \
    $(addprefix daemon/expr/,eval.c value.c match.c) actions/action.c actions/send_message.c actions/http_response.c \
    triggers/triggers.c triggers/path_class.c triggers/dispatch_ws.c triggers/dispatch_http.c triggers/variables_ws.c triggers/variables_http.c
$(foreach f,$(EVENT_SOURCES),$(if $(findstring %,$f)$(wildcard $f),,$(error EVENT_SOURCES names $f, which is not there)))
HAS_LTO := $(if $(SAN),,$(shell echo 'int x;' | $(CC) -Werror -flto -ffat-lto-objects -x c -c -o /dev/null - 2>/dev/null && echo yes))
LTO_COMPILE = $(if $(HAS_LTO),$(if $(filter yes,$(LTO)),-flto=auto,$(if $(filter $(EVENT_SOURCES),$<),-flto=auto -ffat-lto-objects)))
LTO_LINK = $(if $(HAS_LTO),$(if $(filter no,$(LTO)),-fno-lto,-flto=auto))
LTO_UNIT = $(if $(HAS_LTO),$(if $(filter yes,$(LTO)),-flto=auto,-fno-lto))
LANGUAGE = -std=c11 -D_GNU_SOURCE -DBELLWIRE_VERSION='"$(VERSION)"' -Idaemon -I.
OUR_FLAGS = $(LANGUAGE) $(WARNINGS) $(if $(CI),$(if $(filter fuzz,$(SAN)),,-Werror)) $(HARDENING) $(SAN_FLAGS) -pthread
OUR_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed -pthread $(SAN_FLAGS)

# ---- libraries, found by pkg-config where they have a .pc file -------------------------------------
PACKAGES = libuv yaml-0.1 sqlite3 lua5.4 libpcre2-8 zlib jansson libcrypt
ifneq ($(filter-out clean uninstall,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell $(PKG_CONFIG) --exists $(PACKAGES) 2>/dev/null && echo yes),yes)
$(error libraries are missing (of $(PACKAGES)): scripts/install-deps installs them)
endif
endif
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
LIB_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)
ifeq ($(shell $(PKG_CONFIG) --exists libllhttp 2>/dev/null && echo yes),yes)
LIB_CFLAGS += $(shell $(PKG_CONFIG) --cflags libllhttp)
LIB_LIBS += $(shell $(PKG_CONFIG) --libs libllhttp)
else
# Debian 12 ships llhttp as sources only, in the package node-llhttp.
LLHTTP_SOURCES := $(wildcard /usr/share/llhttp/*.c)
LLHTTP_INCLUDE := /usr/share/include/llhttp
LIB_CFLAGS += -isystem $(LLHTTP_INCLUDE)
LLHTTP_LIB := $(BUILD)/lib/llhttp.a
endif
ifeq ($(shell $(PKG_CONFIG) --exists mbedtls 2>/dev/null && echo yes),yes)
LIB_LIBS += $(shell $(PKG_CONFIG) --libs mbedtls mbedx509 mbedcrypto)
else
LIB_LIBS += -lmbedtls -lmbedx509 -lmbedcrypto
endif
LIB_LIBS += -lm

# ---- folders and what each one stands on, transitively, as scripts/layers says ---------------------
LAYERS := $(shell sed -n '/^\#/d; /^daemon:/d; s/: */:/; s/  */,/g; p' scripts/layers)
comma := ,
layer_dir = $(firstword $(subst :, ,$(1)))
layer_uses = $(filter-out %.h,$(subst $(comma), ,$(word 2,$(subst :, ,$(1)))))
FOLDERS := $(foreach l,$(LAYERS),$(notdir $(call layer_dir,$(l))))
$(foreach l,$(LAYERS),$(eval DIR_$(notdir $(call layer_dir,$(l))) := $(call layer_dir,$(l))))
$(foreach l,$(LAYERS),$(eval DIRECT_$(notdir $(call layer_dir,$(l))) := $(notdir $(call layer_uses,$(l)))))
stands_on = $(sort $(DIRECT_$(1)) $(foreach f,$(DIRECT_$(1)),$(call stands_on,$(f))))
$(foreach f,$(FOLDERS),$(eval USES_$(f) := $(call stands_on,$(f))))

# For tests that make allocations fail: tests/unit/fail_alloc.h
FAIL_ALLOC_FLAGS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

define FOLDER_RULES
SOURCES_$(1) := $$(wildcard $$(DIR_$(1))/*.c $$(DIR_$(1))/*/*.c)
OBJECTS_$(1) := $$(SOURCES_$(1):%.c=$$(BUILD)/obj/%.o)
# The folder itself too: a source that is gone must leave the library.
$$(BUILD)/lib/$(1).a: $$(OBJECTS_$(1)) $$(wildcard $$(DIR_$(1)))
	@mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$(OBJECTS_$(1))
UNITS_$(1) := $$(patsubst tests/unit/%.c,$$(BUILD)/unit/%,$$(wildcard tests/unit/$(1)/test_*.c))
LINKS_$(1) := $$(foreach f,$(1) $$(USES_$(1)),$$(BUILD)/lib/$$(f).a) $$(LLHTTP_LIB)
$$(UNITS_$(1)): $$(BUILD)/unit/%: $$(BUILD)/obj/tests/unit/%.o $$(LINKS_$(1))
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	@$$(CC) $$(LTO_UNIT) $$(OUR_LDFLAGS) $$(LDFLAGS) $$(if $$(shell grep -l '"tests/unit/fail_alloc.h"' tests/unit/$$*.c),$$(FAIL_ALLOC_FLAGS)) -o $$@ $$< \
	    -Wl,--start-group $$(LINKS_$(1)) -Wl,--end-group $$(LIB_LIBS) -lcmocka
.PHONY: unit-$(1)
unit-$(1): $$(UNITS_$(1))
	@for t in $$^; do echo "$$$$t"; $$$$t || exit 1; done
endef

PROGRAMS = $(BUILD)/bellwired $(BUILD)/bellwire $(BUILD)/bellwire-exec
.PHONY: deb all test bench lint analyze install uninstall clean unit
all: $(PROGRAMS)
$(foreach f,$(FOLDERS),$(eval $(call FOLDER_RULES,$(f))))

DAEMON_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out daemon/bellwire_exec.c,$(wildcard daemon/*.c)))
DAEMON_LIBS := $(foreach f,$(filter-out manager,$(FOLDERS)),$(BUILD)/lib/$(f).a) $(LLHTTP_LIB)
$(BUILD)/bellwired: $(DAEMON_OBJECTS) $(DAEMON_LIBS)
	@echo "  LINK $@"
	@$(CC) $(LTO_LINK) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $(DAEMON_OBJECTS) -Wl,--start-group $(DAEMON_LIBS) -Wl,--end-group $(LIB_LIBS)
$(BUILD)/bellwire: $(BUILD)/lib/manager.a $(BUILD)/lib/base.a
	@echo "  LINK $@"
	@$(CC) $(LTO_UNIT) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ -Wl,--whole-archive $(BUILD)/lib/manager.a -Wl,--no-whole-archive $(BUILD)/lib/base.a $(LIB_LIBS)
# Static, so that it starts fast and works in any environment; no sanitizer can be linked into it.
$(BUILD)/bellwire-exec: daemon/bellwire_exec.c Makefile
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -fPIE -fstack-protector-strong $(FORTIFY) -fstack-clash-protection $(BRANCHES) -g -static-pie -Wl,-z,relro,-z,now,-z,noexecstack -o $@ $<

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(OUR_FLAGS) $(TUNING) $(LTO_COMPILE) $(CFLAGS) $(LIB_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/lib/llhttp.a: $(LLHTTP_SOURCES) Makefile
	@mkdir -p $(BUILD)/obj/llhttp $(@D)
	@for c in $(LLHTTP_SOURCES); do $(CC) -O2 -g $(HARDENING) $(SAN_FLAGS) -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP_INCLUDE) -c -o $(BUILD)/obj/llhttp/$$(basename $$c .c).o $$c || exit 1; done
	@rm -f $@ && ar rcs $@ $(BUILD)/obj/llhttp/*.o

UNITS := $(foreach f,$(FOLDERS),$(UNITS_$(f)))
ALL_SOURCES := $(sort $(foreach f,$(FOLDERS),$(SOURCES_$(f))) $(filter-out daemon/bellwire_exec.c,$(wildcard daemon/*.c)))
unit: $(UNITS)
test: all unit
	@BUILD=$(BUILD) scripts/run-tests
$(BUILD)/bench/engine: $(BUILD)/obj/tests/bench/engine.o $(DAEMON_LIBS)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(OUR_LDFLAGS) $(LDFLAGS) $(FAIL_ALLOC_FLAGS) -o $@ $< -Wl,--start-group $(DAEMON_LIBS) -Wl,--end-group $(LIB_LIBS)
# BENCH holds arguments of tests/bench/run.py.
bench: all $(BUILD)/bench/engine
	@$(MAKE) --no-print-directory -C tests/bench OUT=$(abspath $(BUILD))/bench
	@BUILD=$(BUILD) /usr/bin/python3 tests/bench/run.py $(BENCH)
# Targets of clang's libFuzzer: a minute each, or SECONDS_EACH; FUZZ names some of them.
SECONDS_EACH ?= 60
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(filter-out %/main.o,$(DAEMON_OBJECTS)) $(DAEMON_LIBS)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(OUR_LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(DAEMON_LIBS) -Wl,--end-group $(LIB_LIBS)
.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)
fuzz:
	@$(MAKE) --no-print-directory SAN=fuzz BUILD=$(BUILD)/fuzz CC=clang fuzzers
	@BUILD=$(BUILD)/fuzz tests/fuzz/run.py $(SECONDS_EACH) $(FUZZ)
# Style, which reads the objects' symbols, and static analysis of everything: measured, that is short enough.
lint: $(ALL_SOURCES:%.c=$(BUILD)/obj/%.o)
	@BUILD=$(BUILD) scripts/lint; style=$$?; $(MAKE) --no-print-directory analyze && exit $$style
# gcc's -fanalyzer, clang-tidy and cppcheck over all product code: 166 s of processor time in a fresh clone, later only
# what changed. ANALYZE names files or folders; DEPTH=225000 lets clang's analyzer go as deep as it does by itself.
DEPTH ?= 30000
analyze: export FLAGS = $(LANGUAGE) -pthread $(LIB_CFLAGS)
analyze:
	@BUILD=$(BUILD) DEPTH=$(DEPTH) scripts/analyze $(ANALYZE)
# What runs for minutes, and prints its figures; the suite has the same in small: a crowd of sessions, a daemon killed
# 200 times, the conformance cases with as many messages as their list asks for, reconnects and programs by the
# thousand, mutated bytes for ten minutes. With SAN=address or SAN=thread under that sanitizer. SOAK names some of them.
SOAK ?= crowd faults websocket clients programs daemon
SOAK_crowd = CROWD_SESSIONS=10000 CROWD_CASTS=50 CROWD_RELOADS=1000 tests/conformance/test_crowd.py
SOAK_faults = KILL_ROUNDS=200 tests/conformance/test_faults.py
SOAK_websocket = CONFORMANCE_MESSAGES=1000 tests/conformance/test_websocket.py
SOAK_clients = CLIENT_CYCLES=10000 CLIENT_RESTARTS=50 tests/scenario/test_client_soak.py
SOAK_programs = BELLWIRE_SOAK_PROGRAMS=100000 tests/scenario/test_program_soak.py
SOAK_daemon = FUZZ_SECONDS=600 tests/fuzz/test_daemon.py
.PHONY: soak $(SOAK:%=soak-%)
soak: all
	@for part in $(SOAK); do $(MAKE) --no-print-directory soak-$$part || exit 1; done
# ThreadSanitizer cannot map its shadow where the kernel randomises 32 bits.
$(SOAK:%=soak-%): soak-%: all
	@env $(filter-out tests/%,$(SOAK_$*)) BUILD=$(BUILD) $(if $(findstring thread,$(SAN)),setarch $(shell uname -m) -R) \
	    /usr/bin/python3 -m pytest -q -s -p no:cacheprovider $(filter tests/%,$(SOAK_$*))
# ---- installing ------------------------------------------------------------------------------------
SYSCONFDIR ?= /etc
SHARE = $(PREFIX)/share
UNIT_DIR ?= $(PREFIX)/lib/systemd/system
ZSH_DIR ?= $(SHARE)/zsh/site-functions
SCHEMA = $(SHARE)/bellwire/bellwire.schema.json
# Paths in what is installed are those of PREFIX. $(1) mode, $(2) source, $(3) target
install_text = install -D -m $(1) $(2) $(DESTDIR)$(3) && \
    sed -i -e 's,@bindir@,$(PREFIX)/bin,g' -e 's,/usr/share/bellwire/,$(SHARE)/bellwire/,' $(DESTDIR)$(3)
DEFAULT_CONFIG := $(patsubst config/default/%,%,$(wildcard config/default/*.yaml config/default/tasks/*.yaml))
INSTALLED = $(PREFIX)/bin/bellwired $(PREFIX)/bin/bellwire $(PREFIX)/libexec/bellwire $(UNIT_DIR)/bellwire.service $(UNIT_DIR)/bellwire.socket \
    $(PREFIX)/lib/sysusers.d/bellwire.conf $(PREFIX)/lib/tmpfiles.d/bellwire.conf $(SHARE)/bellwire $(SHARE)/doc/bellwire \
    $(SHARE)/man/man1/bellwire.1 $(SHARE)/man/man5/bellwire.yaml.5 $(SHARE)/man/man8/bellwired.8 \
    $(SHARE)/bash-completion/completions/bellwire $(ZSH_DIR)/_bellwire
install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILD)/bellwired $(BUILD)/bellwire $(DESTDIR)$(PREFIX)/bin
	install -D -m 755 $(BUILD)/bellwire-exec $(DESTDIR)$(PREFIX)/libexec/bellwire/bellwire-exec
	$(call install_text,644,scripts/bellwire.service,$(UNIT_DIR)/bellwire.service)
	$(call install_text,644,scripts/bellwire.socket,$(UNIT_DIR)/bellwire.socket)
	install -D -m 644 scripts/bellwire.sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/bellwire.conf
	install -D -m 644 scripts/bellwire.tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/bellwire.conf
	install -d $(DESTDIR)$(SHARE)/bellwire
	$(BUILD)/bellwired --schema >$(DESTDIR)$(SCHEMA)
	scripts/man-pages $(BUILD) $(BUILD)/man
	scripts/completions $(BUILD) $(BUILD)/completions
	for n in 1 5 8; do install -d $(DESTDIR)$(SHARE)/man/man$$n && install -m 644 $(BUILD)/man/*.$$n $(DESTDIR)$(SHARE)/man/man$$n || exit 1; done
	install -D -m 644 $(BUILD)/completions/bellwire.bash $(DESTDIR)$(SHARE)/bash-completion/completions/bellwire
	install -D -m 644 $(BUILD)/completions/_bellwire $(DESTDIR)$(ZSH_DIR)/_bellwire
	for f in programs ports; do install -D -m 644 scripts/$$f.conf $(DESTDIR)$(SHARE)/doc/bellwire/examples/$$f.conf || exit 1; done
	for f in alerts.yaml grafana-dashboard.json; do install -D -m 644 docs/$$f $(DESTDIR)$(SHARE)/doc/bellwire/examples/$$f || exit 1; done
	install -d $(DESTDIR)$(SHARE)/doc/bellwire/examples/config
	cp -r --no-preserve=mode,ownership config/examples/. $(DESTDIR)$(SHARE)/doc/bellwire/examples/config
	@for f in $(DEFAULT_CONFIG); do \
	    test -e $(DESTDIR)$(SYSCONFDIR)/bellwire/$$f || { $(call install_text,644,config/default/$$f,$(SYSCONFDIR)/bellwire/$$f); } || exit 1; \
	done
uninstall:
	rm -rf $(addprefix $(DESTDIR),$(INSTALLED))
DEB_VERSION = $(VERSION)-1~deb$(shell . /etc/os-release && echo $$VERSION_ID)
DEB_DIR = $(abspath $(BUILD))/deb/bellwire-$(VERSION)
deb: all
	@command -v dh >/dev/null || { echo "debhelper is missing: apt-get install debhelper fakeroot" >&2; exit 1; }
	rm -rf $(BUILD)/deb && mkdir -p $(DEB_DIR)
	cp -r scripts/deb $(DEB_DIR)/debian && rm $(DEB_DIR)/debian/changelog.in
	sed -e 's/@VERSION@/$(DEB_VERSION)/' -e "s/@DATE@/$$(date -R -r CHANGELOG.md)/" scripts/deb/changelog.in >$(DEB_DIR)/debian/changelog
	cd $(DEB_DIR) && TOP=$(CURDIR) TOP_BUILD=$(BUILD) TOP_LTO=$(LTO) dpkg-buildpackage -b -us -uc -d
	@ls $(BUILD)/deb/*.deb
clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
.DELETE_ON_ERROR:
