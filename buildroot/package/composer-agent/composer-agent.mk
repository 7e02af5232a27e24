################################################################################
#
# composer-agent
#
################################################################################

COMPOSER_AGENT_VERSION = 0.1.0
COMPOSER_AGENT_SITE = $(BR2_EXTERNAL_COMPOSER_PATH)/../agent
COMPOSER_AGENT_SITE_METHOD = local
COMPOSER_AGENT_SETUP_TYPE = setuptools
COMPOSER_AGENT_LICENSE = Apache-2.0

define COMPOSER_AGENT_INSTALL_CONFIGURATION
	$(INSTALL) -D -m 0600 $(@D)/init/composer.json \
		$(TARGET_DIR)/etc/composer.json
endef
COMPOSER_AGENT_POST_INSTALL_TARGET_HOOKS += COMPOSER_AGENT_INSTALL_CONFIGURATION

define COMPOSER_AGENT_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/init/S99composer \
		$(TARGET_DIR)/etc/init.d/S99composer
endef

define COMPOSER_AGENT_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/init/composer.service \
		$(TARGET_DIR)/usr/lib/systemd/system/composer.service
endef

$(eval $(python-package))
