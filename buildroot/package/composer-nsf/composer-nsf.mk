################################################################################
#
# composer-nsf
#
################################################################################

COMPOSER_NSF_VERSION = 0.1.0
COMPOSER_NSF_SITE = $(BR2_EXTERNAL_COMPOSER_PATH)/../nsf
COMPOSER_NSF_SITE_METHOD = local
COMPOSER_NSF_LICENSE = Apache-2.0

COMPOSER_NSF_FUNCTIONS = \
	bridge \
	captive-portal \
	dhcp \
	dns \
	elastic-router \
	firewall \
	firewall-dmz \
	home-gateway \
	ids-mirror \
	ipsec \
	l2-switch \
	load-balancer \
	meter \
	nat \
	openflow-controller \
	openflow-switch \
	router \
	sample \
	shaper \
	vnfm \
	vpn

COMPOSER_NSF_ENABLED = $(foreach function,$(COMPOSER_NSF_FUNCTIONS),\
	$(if $(BR2_PACKAGE_COMPOSER_NSF_$(call UPPERCASE,$(function))),$(function)))

define COMPOSER_NSF_BUILD_CMDS
	$(MAKE) -C $(@D) OUT=$(@D)/bundles
endef

define COMPOSER_NSF_INSTALL_TARGET_CMDS
	$(foreach function,$(COMPOSER_NSF_ENABLED),
		$(INSTALL) -D -m 0644 -t $(TARGET_DIR)/usr/lib/composer/nsf \
			$(@D)/bundles/$(function).*
	)
endef

$(eval $(generic-package))
