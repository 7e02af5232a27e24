SUMMARY = "A node of COMPOSER: the agent, Open vSwitch, and the functions of a gateway"
LICENSE = "Apache-2.0"

inherit core-image

IMAGE_FEATURES += "ssh-server-dropbear"

IMAGE_INSTALL = " \
    packagegroup-core-boot \
    composer-agent \
    composer-nsf-bridge \
    composer-nsf-dhcp \
    composer-nsf-dns \
    composer-nsf-firewall \
    composer-nsf-nat \
    composer-nsf-router \
    composer-nsf-shaper \
    kernel-modules \
"
