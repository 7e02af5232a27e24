SUMMARY = "COMPOSER agent: service graphs on one node"
DESCRIPTION = "Takes service graphs over HTTP or MQTT, starts the network \
functions that they want in network namespaces, and steers traffic through \
them with Open vSwitch."
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMPOSER_SOURCES}/LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

inherit externalsrc python_setuptools_build_meta systemd update-rc.d

EXTERNALSRC = "${COMPOSER_SOURCES}/agent"

SYSTEMD_SERVICE:${PN} = "composer.service"
INITSCRIPT_NAME = "composer"
INITSCRIPT_PARAMS = "defaults 95 05"

# openflow is a driver; kvm and dpdk bring what drivers of these names call,
# which are packages of their own and no part of this recipe yet.
PACKAGECONFIG ??= "openflow"
PACKAGECONFIG[openflow] = ",,,${PN}-openflow"
PACKAGECONFIG[kvm] = ",,,qemu libvirt"
PACKAGECONFIG[dpdk] = ",,,dpdk"

do_install:append() {
    install -D -m 0600 ${S}/init/composer.json ${D}${sysconfdir}/composer.json
    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -D -m 0644 ${S}/init/composer.service \
            ${D}${systemd_system_unitdir}/composer.service
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 ${S}/init/S99composer ${D}${sysconfdir}/init.d/composer
    fi
}

CONFFILES:${PN} = "${sysconfdir}/composer.json"

PACKAGE_BEFORE_PN = "${PN}-openflow"

FILES:${PN}-openflow = " \
    ${PYTHON_SITEPACKAGES_DIR}/composer/compute/openflow.py \
    ${PYTHON_SITEPACKAGES_DIR}/composer/compute/__pycache__/openflow.*.pyc \
"

RDEPENDS:${PN} = " \
    iproute2-ip \
    openvswitch \
    python3-bottle \
    python3-core \
    python3-crypt \
    python3-h11 \
    python3-io \
    python3-json \
    python3-netclient \
    python3-paho-mqtt \
    python3-syslog \
    python3-unixadmin \
"

RRECOMMENDS:${PN} = " \
    kernel-module-veth \
    kernel-module-vport-gre \
    kernel-module-vport-vxlan \
"

RDEPENDS:${PN}-openflow = ""
