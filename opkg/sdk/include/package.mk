# BuildPackage: PACKAGE_VERSION_ARCHITECTURE.ipk in OUT, of what Package/PACKAGE says, as OpenWrt's ipkg-build makes it.
#
# An .ipk is a tar of ./debian-binary, ./data.tar.gz and ./control.tar.gz.  The same sources give the same bytes, whoever
# builds them and when: owner 0, one time, names in order.
PKG_BUILD_DIR ?= $(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
VERSION = $(PKG_VERSION)-r$(PKG_RELEASE)
TAR = tar --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) -I 'gzip -9n' -cf
FIELDS = TITLE SECTION DEPENDS URL PKGARCH

.DELETE_ON_ERROR:
.PHONY: all prepared
all:

define Build/Prepare
	mkdir -p $(PKG_BUILD_DIR)
endef

prepared:
	rm -rf $(PKG_BUILD_DIR)
	$(call Build/Prepare)
	$(call Build/Configure)
	$(call Build/Compile)
	$(call Build/Install)

# depends WORDS: "+a @b +c" is "a, c" in a control file
comma := ,
empty :=
depends = $(subst $(empty) $(empty),$(comma) ,$(patsubst +%,%,$(filter +%,$(1))))

# The Python that a package's byte code is for.
needs_python3 = $(comma) python3-light (>= $(PYTHON3_VERSION))$(comma) python3-light (<< $(PYTHON3_NEXT))

# What every package runs; OpenWrt's own functions.sh does the work.
define script
#!/bin/sh
[ "$${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s $${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. $${IPKG_INSTROOT}/lib/functions.sh
default_$(1) $$0 $$@
endef

define control
Package: $(1)
Version: $(VERSION)
$(if $(depends_$(1)),Depends: $(patsubst $(comma)%,%,$(depends_$(1)))$(newline))Source: $(PKG_NAME)
License: $(PKG_LICENSE)
Section: $(section_$(1))
Maintainer: $(PKG_MAINTAINER)
Architecture: $(arch_$(1))
Description: $(title_$(1))
endef

define BuildPackage
$(foreach field,$(FIELDS),$(eval $(field) :=))
$(eval $(Package/$(1)))
$(eval title_$(1) := $(TITLE))
$(eval section_$(1) := $(SECTION))
$(eval arch_$(1) := $(or $(PKGARCH),$(error $(1): PKGARCH must be all: there is no compiler here)))
$(eval depends_$(1) := $(call depends,$(filter-out $(if $(filter $(1),$(PYTHON3_PACKAGES)),+python3-light),$(DEPENDS)))$(if $(filter $(1),$(PYTHON3_PACKAGES)),$(if $(filter +python3-light,$(DEPENDS)),$(needs_python3))))
$(eval $(call package,$(1),$(BUILD_DIR)/root/$(1),$(OUT)/$(1)_$(VERSION)_all.ipk))
endef

# package NAME, FOLDER, FILE
define package
all: $(3)
$(2).control: prepared
	mkdir -p $(2) $(2).control $(2).ipk
$(3): $(2).control
	$$(call Package/$(1)/install,$(2))
	$$(file >$(2).control/control,$$(call control,$(1)))
	$$(file >$(2).control/postinst,$$(call script,postinst))
	$$(file >$(2).control/prerm,$$(call script,prerm))
	$(if $(Package/$(1)/conffiles),$$(file >$(2).control/conffiles,$$(Package/$(1)/conffiles)))
	echo "Installed-Size: $$$$(find $(2) -type f -exec cat {} + | wc -c)" >>$(2).control/control
	chmod 644 $(2).control/*; chmod 755 $(2) $(2).control $(2).control/postinst $(2).control/prerm
	echo 2.0 >$(2).ipk/debian-binary
	$(TAR) $(2).ipk/data.tar.gz -C $(2) .
	$(TAR) $(2).ipk/control.tar.gz -C $(2).control .
	chmod 644 $(2).ipk/*
	$(TAR) $(3) -C $(2).ipk ./debian-binary ./data.tar.gz ./control.tar.gz
endef
