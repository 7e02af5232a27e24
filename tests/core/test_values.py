"""Values: what of JSON becomes which integer, and what is refused with what would be right."""
from composer.core import values
from expect import raises


def test_numbers_come_as_numbers_or_as_strings_decimal_or_hexadecimal():
    for given, found in ((7, 7), ("7", 7), ("007", 7), ("0x10", 16), ("0XfF", 255), (0, 0), ("0", 0), (4095, 4095)):
        assert values.number(given, 0, 4095) == found, given


def test_what_is_no_number_of_the_range_is_told_the_range():
    for given in (4096, -1, "4096", "-1", "", " 1", "1 ", "+1", "1_0", "0x", "0xg", "x10", "1e3", 1.0, True, None, [], {},
                  "0b1", "\u0663", "9" * 100000):
        assert str(raises(ValueError, values.number, given, 0, 4095)) == "a number from 0 to 4095", given


def test_truth_comes_as_a_boolean_or_as_a_word():
    for given, found in ((True, True), ("true", True), ("True", True), (False, False), ("false", False)):
        assert values.truth(given) is found, given
    for given in ("yes", "", None, [], {}, 2, "1"):
        raises(ValueError, values.truth, given)


# read, write, text, number
ADDRESSES = (
    (values.mac, values.mac_text, "02:00:00:00:00:0a", 0x02000000000a),
    (values.mac, values.mac_text, "ff:ff:ff:ff:ff:ff", (1 << 48) - 1),
    (values.ipv4, values.ipv4_text, "10.0.1.255", 0x0a0001ff), (values.ipv4, values.ipv4_text, "0.0.0.0", 0),
    (values.ipv6, values.ipv6_text, "2001:db8:0:0:0:0:0:1", 0x20010db8 << 96 | 1),
    (values.ipv6, values.ipv6_text, "0:0:0:0:0:0:0:0", 0))


def test_an_address_that_is_read_is_written_as_it_was():
    for read, write, text, number in ADDRESSES:
        assert read(text) == number, text
        assert write(number) == text, text


def test_an_ipv6_address_has_many_spellings():
    for text, long in (("::", "0:0:0:0:0:0:0:0"), ("::1", "0:0:0:0:0:0:0:1"), ("1::", "1:0:0:0:0:0:0:0"),
                       ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
                       ("FE80::A", "fe80:0:0:0:0:0:0:a"), ("::ffff:10.0.0.1", "0:0:0:0:0:ffff:a00:1"),
                       ("1:2:3:4:5:6:10.0.0.1", "1:2:3:4:5:6:a00:1")):
        assert values.ipv6_text(values.ipv6(text)) == long, text


def test_an_ipv6_mask_is_written_so_that_it_cannot_be_taken_for_a_prefix():
    for mask, text in (("ffff::", "16"), ("8000::", "1"), ("::1", "::1"), ("0:0:ffff::", "::ffff:0:0:0:0:0"),
                       ("0:1:2:3:4:5:6:7", "::1:2:3:4:5:6:7"),
                       ("ff::1", "ff:0:0:0:0:0:0:1"), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "128")):
        assert values.ipv6_mask_text(values.ipv6(mask)) == text, mask


def test_what_is_no_address_is_refused():
    for read, bad in (
            (values.mac, ("", "02:00:00:00:00", "02:00:00:00:00:0g", "2:0:0:0:0:0", "02-00-00-00-00-00",
                          "02:00:00:00:00:00:00", 2, None)),
            (values.ipv4, ("", "10.0.0", "10.0.0.256", "10.0.0.0.1", "10.0.0.-1", "10.0.0.", "10.0.0.0001", "a.b.c.d", 10,
                           None)),
            (values.ipv6, ("", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:2:3:4:5:6:7:8::",
                           "12345::", "g::",
                           "1:2:3:4:5:6:7:10.0.0.1", "::10.0.0.1:1", "10.0.0.1::", "::10.0.0.256", "fe80::1%eth0", 1,
                           None))):
        for text in bad:
            raises(ValueError, read, text)


def test_a_network_is_an_address_and_a_mask():
    for text, family, number, mask in (
            ("10.1.2.3", 4, 0x0a010203, 0xffffffff), ("10.1.2.3/8", 4, 0x0a000000, 0xff000000), ("10.1.2.3/0", 4, 0, 0),
            ("10.1.2.3/32", 4, 0x0a010203, 0xffffffff),
            ("::1", 6, 1, (1 << 128) - 1), ("2001:db8::1/32", 6, 0x20010db8 << 96, 0xffffffff << 96),
            ("::1/127", 6, 0, (1 << 128) - 2)):
        assert values.address(text) == (family, number, mask), text
    for text in ("10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "/8", "10.0.0.0/8/8", "", None, 10):
        raises(ValueError, values.address, text)


def test_an_id_is_short_and_of_plain_letters():
    for given in ("a", "0x1", "a.b_c-D", "x" * 64):
        assert values.identifier(given) == given
    assert values.identifier("inout:0", ":") == "inout:0"
    for given in ("", "x" * 65, "inout:0", "a b", "a/b", "a\n", "\u00e9", "a;b", "$(a)", 1, None, [], {}):
        assert "1 to 64" in str(raises(ValueError, values.identifier, given)), given


def test_a_text_has_an_end_and_no_nul():
    for given in ("", "drop tcp 80\ndrop udp 53\n", "\u00e9", "x" * 4096):
        assert values.text(given) == given
    for given in ("x" * 4097, "a\0b", 1, None, []):
        raises(ValueError, values.text, given)
