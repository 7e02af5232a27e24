SUMMARY = "Fast and simple WSGI framework for small web applications"
HOMEPAGE = "https://bottlepy.org"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=8740fee0ffaa1364bffd091f9d316bbf"

inherit pypi python_setuptools_build_meta

SRC_URI[sha256sum] = "787e78327e12b227938de02248333d788cfe45987edca735f8f88e03472c3f47"

RDEPENDS:${PN} += " \
    python3-core \
    python3-crypt \
    python3-datetime \
    python3-email \
    python3-io \
    python3-json \
    python3-mime \
    python3-netclient \
    python3-netserver \
    python3-pickle \
    python3-threading \
"

BBCLASSEXTEND = "native nativesdk"
