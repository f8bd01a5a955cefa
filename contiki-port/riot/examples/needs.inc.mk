# What an example has to have, NAME=VALUE in NEEDS: told to Kconfig where RIOT's
# build asks that (after `make menuconfig`, or with a .config in the application's
# directory), else to the compiler. Read after RIOT's Makefile.include, which knows.
ifneq (,$(SHOULD_RUN_KCONFIG))
  $(foreach need,$(NEEDS),$(eval RIOT_CONFIG_$(subst =, ?= ,$(need))))
else
  CFLAGS += $(NEEDS:%=-DCONFIG_%)
endif
