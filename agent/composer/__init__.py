"""COMPOSER for gateways: service graphs on one box, through Open vSwitch and native service functions."""

__version__ = "0.1.0"
