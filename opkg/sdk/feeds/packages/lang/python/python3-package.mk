# Py3Package: a package of what its filespec says of PKG_INSTALL_DIR ("+|path" and "-|path"), compiled and without sources;
# and its sources, in a package of their own.  The byte code is for the Python that made it, so the package needs that.
PYTHON3_VERSION := $(shell $(PYTHON3) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PYTHON3_NEXT := $(shell $(PYTHON3) -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
PYTHON3_PKG_DIR := /usr/lib/python$(PYTHON3_VERSION)/site-packages

# take FILESPEC, FOLDER: put into the folder what the filespec says
take = $(foreach line,$(subst $(newline), ,$(1)),$(call take_$(firstword $(subst |, ,$(line))),$(lastword $(subst |, ,$(line))),$(2)))
take_+ = mkdir -p $(2)$(dir $(1)) && cp -R $(PKG_INSTALL_DIR)$(1) $(2)$(dir $(1))$(newline)$(tab)
take_- = rm -r $(2)$(1)$(newline)$(tab)
tab := $(subst x,,x	x)

define Py3Package
  ifndef Py3Package/$(1)/filespec
    Py3Package/$(1)/filespec := +|$(PYTHON3_PKG_DIR)
  endif

  define Package/$(1)/install
	$$(call Py3Package/$(1)/install,$$(1))
	$$(call take,$$(Py3Package/$(1)/filespec),$$(1))
	$(PYTHON3) -I -m compileall -q -b -s $$(1) -p / --invalidation-mode unchecked-hash $$(1)/usr/lib
	find $$(1) -name '*.py' -delete
	chmod -R u=rwX,go=rX $$(1)/usr
  endef

  define Package/$(1)-src
    $(Package/$(1))
    TITLE += (sources)
    DEPENDS :=
  endef

  define Package/$(1)-src/install
	$$(call take,$$(Py3Package/$(1)/filespec),$$(1))
	chmod -R u=rwX,go=rX $$(1)/usr
  endef

  PYTHON3_PACKAGES += $(1)
endef
