################################################################################
#
# openvswitch
#
################################################################################

# The version of OpenWrt's feed
OPENVSWITCH_VERSION = 2.17.9
OPENVSWITCH_SITE = https://www.openvswitch.org/releases
OPENVSWITCH_LICENSE = Apache-2.0
OPENVSWITCH_LICENSE_FILES = LICENSE
OPENVSWITCH_CPE_ID_VENDOR = openvswitch
OPENVSWITCH_DEPENDENCIES = host-pkgconf host-python3
OPENVSWITCH_CONF_OPTS = --enable-ndebug --enable-shared --disable-libcapng
OPENVSWITCH_CONF_ENV = \
	ac_cv_lib_unbound_ub_ctx_create=no \
	ovs_cv_flake8=no \
	ovs_cv_groff=no \
	ovs_cv_python3=/usr/bin/python3 \
	ovs_cv_python3_host=$(HOST_DIR)/bin/python3 \
	ovs_cv_sphinx=none

ifeq ($(BR2_PACKAGE_OPENVSWITCH_SSL),y)
OPENVSWITCH_DEPENDENCIES += openssl
OPENVSWITCH_CONF_OPTS += --enable-ssl
else
OPENVSWITCH_CONF_OPTS += --disable-ssl
endif

# What a gateway has no use for
define OPENVSWITCH_REMOVE_EXTRAS
	rm -rf $(TARGET_DIR)/usr/share/openvswitch/python \
		$(TARGET_DIR)/usr/share/openvswitch/bugtool-plugins
endef
OPENVSWITCH_POST_INSTALL_TARGET_HOOKS += OPENVSWITCH_REMOVE_EXTRAS

define OPENVSWITCH_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(OPENVSWITCH_PKGDIR)/S40openvswitch \
		$(TARGET_DIR)/etc/init.d/S40openvswitch
endef

define OPENVSWITCH_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(OPENVSWITCH_PKGDIR)/openvswitch.service \
		$(TARGET_DIR)/usr/lib/systemd/system/openvswitch.service
endef

define OPENVSWITCH_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_OPENVSWITCH)
endef

$(eval $(autotools-package))
