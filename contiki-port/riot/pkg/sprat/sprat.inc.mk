# sprat in a RIOT build: the library, and flags of the modules that use it.
# SPRAT_ROOT is sprat's source tree. Read by the modules in its
# contiki-port/riot/modules and, where that tree is fetched first, by the package.
#
# SPRAT_FEATURES  features of the library: diet-esp tunnel udp-encap ipv4 tcp
#                 udp-lite sctp
# SPRAT_AES       riot: RIOT's cipher module; builtin: the library's own,
#                 constant-time AES; small: least flash and stack, with a table,
#                 for processors without a data cache
# SPRAT_OPT       z (small) or 3 (fast)
# SPRAT_STACK     octets that the IPv6 thread's stack gets on top of RIOT's
#                 default; 0: the default or the application's own
#                 GNRC_IPV6_STACK_SIZE
SPRAT_FEATURES ?= diet-esp tunnel udp-encap
SPRAT_AES ?= riot
SPRAT_OPT ?= z
SPRAT_STACK ?= $(or $(CONFIG_SPRAT_STACK),$(if $(filter builtin,$(SPRAT_AES)),1600,640))

SPRAT_ARCHIVE := $(BINDIR)/libsprat_mote.a
SPRAT_PORT := $(SPRAT_ROOT)/contiki-port

# RIOT names no Rust target for these two cores.
SPRAT_TARGET := $(RUST_TARGET)
ifeq (cortex-m23,$(CPU_CORE))
  SPRAT_TARGET := thumbv8m.base-none-eabi
else ifeq (cortex-m33,$(CPU_CORE))
  SPRAT_TARGET := thumbv8m.main-none-eabi$(if $(filter cortexm_fpu,$(FEATURES_USED)),hf)
endif
ifeq (,$(SPRAT_TARGET))
  $(error sprat: no Rust target is known for the CPU of $(BOARD))
endif

INCLUDES += -I$(SPRAT_PORT)/riot/modules/sprat_core/include -I$(SPRAT_ROOT)/include
CFLAGS += -DSPRAT_MOTE
ifeq (builtin,$(SPRAT_AES))
  CFLAGS += -DSPRAT_AES_BUILTIN
else ifeq (small,$(SPRAT_AES))
  CFLAGS += -DSPRAT_AES_SMALL
  INCLUDES += -I$(SPRAT_PORT)/qemu
endif
# The modules' own makefiles have to know it.
export SPRAT_AES

ARCHIVES += $(SPRAT_ARCHIVE)

# Cargo knows whether anything has changed; the archive is only new if it has.
.PHONY: sprat-archive
$(SPRAT_ARCHIVE): sprat-archive | pkg-prepare
	$(Q)mkdir -p $(@D)
	$(Q)$(SPRAT_PORT)/build-core.sh --target $(SPRAT_TARGET) \
	  --features "$(SPRAT_FEATURES) $(if $(filter builtin,$(SPRAT_AES)),aes)" \
	  --opt $(SPRAT_OPT) --out $@.new
	$(Q)cmp -s $@.new $@ || cp $@.new $@

ifneq (,$(filter sprat_mtd,$(USEMODULE)))
  INCLUDES += -I$(SPRAT_PORT)/riot/modules/sprat_mtd/include
endif

ifneq (,$(filter sprat,$(USEMODULE)))
  INCLUDES += -I$(SPRAT_PORT)/riot/modules/sprat/include -I$(SPRAT_PORT)/glue
  LINKFLAGS += -Wl,--wrap=gnrc_ipv6_ext_process_all
  LINKFLAGS += -Wl,--wrap=gnrc_ipv6_ext_frag_reass
  LINKFLAGS += -Wl,--wrap=gnrc_netreg_calc_csum
  ifneq (0,$(SPRAT_STACK))
    ifeq (,$(filter -DGNRC_IPV6_STACK_SIZE=%,$(CFLAGS)))
      CFLAGS += '-DGNRC_IPV6_STACK_SIZE=(THREAD_STACKSIZE_DEFAULT-64+$(SPRAT_STACK))'
    endif
  endif
endif
