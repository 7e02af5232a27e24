SUMMARY = "Native network functions for service graphs of COMPOSER"
DESCRIPTION = "Bundles of scripts, a package each, that make network functions \
of what the node has: its kernel, its packet filter, its daemons."
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMPOSER_SOURCES}/LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

inherit allarch externalsrc

EXTERNALSRC = "${COMPOSER_SOURCES}/nsf"

do_configure[noexec] = "1"

do_compile() {
    oe_runmake -C ${S} OUT=${B}/bundles
}

do_install() {
    install -d ${D}${nonarch_libdir}/composer/nsf
    install -m 0644 ${B}/bundles/* ${D}${nonarch_libdir}/composer/nsf/
}

FUNCTIONS = " \
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
    vpn \
"

PACKAGES = "${PN} ${@' '.join(['composer-nsf-' + name for name in d.getVar('FUNCTIONS').split()])}"

# All of them.
ALLOW_EMPTY:${PN} = "1"
FILES:${PN} = ""
RDEPENDS:${PN} = "${@' '.join(['composer-nsf-' + name for name in d.getVar('FUNCTIONS').split()])}"

python __anonymous() {
    for name in d.getVar('FUNCTIONS').split():
        d.setVar('FILES:composer-nsf-' + name, '${nonarch_libdir}/composer/nsf/%s.*' % name)
        d.setVar('SUMMARY:composer-nsf-' + name, 'COMPOSER function ' + name)
}

RDEPENDS:composer-nsf-bridge = "composer-agent iproute2-ip"
RDEPENDS:composer-nsf-captive-portal = "composer-agent iproute2-ip nftables"
RRECOMMENDS:composer-nsf-captive-portal = "kernel-module-nft-meta-bridge kernel-module-nft-nat"
RDEPENDS:composer-nsf-dhcp = "composer-agent dnsmasq iproute2-ip"
RDEPENDS:composer-nsf-dns = "composer-agent dnsmasq iproute2-ip"
RDEPENDS:composer-nsf-elastic-router = "composer-agent mosquitto-clients python3-core python3-io python3-json"
RDEPENDS:composer-nsf-firewall = "composer-agent iproute2-ip nftables"
RRECOMMENDS:composer-nsf-firewall = "kernel-module-nf-conntrack-bridge kernel-module-nft-meta-bridge"
RDEPENDS:composer-nsf-firewall-dmz = "composer-agent iproute2-ip nftables"
RRECOMMENDS:composer-nsf-firewall-dmz = "kernel-module-nf-conntrack-bridge kernel-module-nft-meta-bridge"
RDEPENDS:composer-nsf-home-gateway = "composer-agent composer-nsf-firewall composer-nsf-nat"
RDEPENDS:composer-nsf-ids-mirror = "composer-agent iproute2-ip nftables"
RRECOMMENDS:composer-nsf-ids-mirror = "kernel-module-nft-dup-netdev"
RDEPENDS:composer-nsf-ipsec = "composer-agent iproute2-ip nftables strongswan"
RRECOMMENDS:composer-nsf-ipsec = "kernel-module-esp4 kernel-module-xfrm-interface"
RDEPENDS:composer-nsf-l2-switch = "composer-agent iproute2 iproute2-ip"
RRECOMMENDS:composer-nsf-l2-switch = "iproute2-bridge"
RDEPENDS:composer-nsf-load-balancer = "composer-agent nftables"
RRECOMMENDS:composer-nsf-load-balancer = "kernel-module-nft-dup-netdev"
RDEPENDS:composer-nsf-meter = "composer-agent iproute2-ip mosquitto-clients"
RDEPENDS:composer-nsf-nat = "composer-agent iproute2-ip nftables"
RRECOMMENDS:composer-nsf-nat = "kernel-module-nft-nat"
RDEPENDS:composer-nsf-openflow-controller = "composer-agent iproute2-ip openvswitch-testcontroller"
RDEPENDS:composer-nsf-openflow-switch = "composer-agent composer-agent-openflow iproute2-ip socat"
RDEPENDS:composer-nsf-router = "composer-agent iproute2-ip"
RDEPENDS:composer-nsf-sample = "composer-agent iproute2-ip"
RDEPENDS:composer-nsf-shaper = "composer-agent iproute2-ip iproute2-tc"
RRECOMMENDS:composer-nsf-shaper = "kernel-module-sch-tbf"
RDEPENDS:composer-nsf-vnfm = "composer-agent python3-core python3-io python3-json"
RDEPENDS:composer-nsf-vpn = "composer-agent iproute2-ip nftables wireguard-tools"
RRECOMMENDS:composer-nsf-vpn = "kernel-module-nft-nat kernel-module-wireguard"
