include $(sort $(wildcard $(BR2_EXTERNAL_COMPOSER_PATH)/package/*/*.mk))
