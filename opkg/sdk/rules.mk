# What OpenWrt's rules.mk gives to a package's Makefile, as far as the packages here use it.
INCLUDE_DIR := $(TOPDIR)/include
BUILD_DIR := $(OUT)/build
PKG_INSTALL_DIR = $(PKG_BUILD_DIR)/install
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
CP := cp -fpR

define newline


endef
