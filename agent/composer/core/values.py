"""Values of a graph: text and numbers from JSON become integers, and back.

Each parser takes what JSON gave and returns the value, or raises ValueError with what would be right.
Addresses are integers, so that masks, overlaps and equality are arithmetic.
"""

DIGITS = "0123456789"
HEX = "0123456789abcdefABCDEF"


def number(value, low, high):
    """Return an int of low..high; it may come as a string, decimal or 0x."""
    found = None
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, str) and len(value) <= 40:
        if value[:2] in ("0x", "0X") and len(value) > 2 and _only(value[2:], HEX):
            found = int(value[2:], 16)
        elif value and _only(value, DIGITS):
            found = int(value)
    if found is None or not low <= found <= high:
        raise ValueError("a number from %d to %d" % (low, high))
    return found


def truth(value):
    """Return True or False; it may come as "true" or "false"."""
    if value in (True, "true", "True"):
        return True
    if value in (False, "false", "False"):
        return False
    raise ValueError("true or false")


def mac(value):
    """Return a MAC address such as 02:00:00:00:00:01 as an int."""
    parts = value.split(":") if isinstance(value, str) else ()
    if len(parts) != 6 or not all([len(part) == 2 and _only(part, HEX) for part in parts]):
        raise ValueError("a MAC address such as 02:00:00:00:00:01")
    return int("".join(parts), 16)


def mac_text(value):
    digits = "%012x" % value
    return ":".join([digits[i:i + 2] for i in range(0, 12, 2)])


def ipv4(value):
    """Return an IPv4 address as an int."""
    parts = value.split(".") if isinstance(value, str) else ()
    if len(parts) != 4 or not all([0 < len(part) <= 3 and _only(part, DIGITS) and int(part) < 256 for part in parts]):
        raise ValueError("an IPv4 address such as 192.168.1.1")
    result = 0
    for part in parts:
        result = result << 8 | int(part)
    return result


def ipv4_text(value):
    return ".".join([str(value >> shift & 255) for shift in (24, 16, 8, 0)])


def ipv6(value):
    """Return an IPv6 address as an int."""
    wrong = "an IPv6 address such as 2001:db8::1"
    if not isinstance(value, str) or len(value) > 45 or value.count("::") > 1:
        raise ValueError(wrong)
    head, gap, tail = value.partition("::")
    groups = [part.split(":") if part else [] for part in (head, tail)]
    last = groups[1 if gap else 0]
    if last and "." in last[-1]:
        low = ipv4(last.pop())
        last.extend(["%x" % (low >> 16), "%x" % (low & 0xffff)])
    missing = 8 - len(groups[0]) - len(groups[1])
    if missing < 1 if gap else missing:
        raise ValueError(wrong)
    result = 0
    for group in groups[0] + ["0"] * missing + groups[1]:
        if not 0 < len(group) <= 4 or not _only(group, HEX):
            raise ValueError(wrong)
        result = result << 16 | int(group, 16)
    return result


def ipv6_text(value):
    return ":".join(["%x" % (value >> shift & 0xffff) for shift in range(112, -16, -16)])


def ipv6_mask_text(mask):
    """Return a mask as ovs-ofctl takes it: digits at its front would be the length of a prefix."""
    length = bin(mask).count("1")
    if mask == prefix(length, 128):
        return str(length)
    text = ipv6_text(mask)
    while text.startswith("0:"):
        text = text[2:]
    return text if text.count(":") == 7 else "::" + text


def address(value):
    """Return (4 or 6, address, mask) of an IP address with or without /n."""
    if not isinstance(value, str):
        raise ValueError("an IP address, with /n for a network")
    text, slash, length = value.partition("/")
    family, bits, read = (6, 128, ipv6) if ":" in text else (4, 32, ipv4)
    found = read(text)
    mask = prefix(number(length, 0, bits), bits) if slash else prefix(bits, bits)
    return family, found & mask, mask


def prefix(length, bits):
    """Return the mask of a prefix: `length` ones, then zeros, `bits` in all."""
    return (1 << bits) - (1 << bits - length)


def identifier(value, extra=""):
    """Return an id: 1 to 64 of A-Z a-z 0-9 _ . - and those of `extra`."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not _only(value, _LETTERS + extra):
        raise ValueError("a string of 1 to 64 of A-Z a-z 0-9 _ . -" + " " * bool(extra) + extra)
    return value


def interface_name(value):
    """Return a Linux interface name that ovs-ofctl can be told, in quotes."""
    if not isinstance(value, str) or not 0 < len(value) <= 15 or value in (".", "..") \
            or not all(["!" <= letter <= "~" and letter not in '/:"\\#(,' for letter in value]):
        raise ValueError('an interface name of 1 to 15 letters, without spaces and any of / : " \\ # ( ,')
    return value


def text(value, longest=4096):
    """Return a printable string of one or more lines."""
    if not isinstance(value, str) or len(value) > longest or "\0" in value \
            or any(["\ud800" <= letter <= "\udfff" for letter in value]):
        raise ValueError("a string of at most %d characters, without NUL" % longest)
    return value


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" + DIGITS + "_.-"


def _only(word, letters):
    return not word.strip(letters)
