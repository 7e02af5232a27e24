# A package of the Python Package Index: pip brings its wheel, where OpenWrt would build its sdist.
PYTHON3_PKG_BUILD := 0

define Build/Install
	$(PIP) install -qq --disable-pip-version-check --no-deps --no-compile --target $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR) $(PYPI_NAME)==$(PKG_VERSION)
	rm -rf $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR)/*/py.typed $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR)/*.dist-info $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR)/*/tests
endef
