"""Servers on 127.0.0.1 that stand in for the vendors' services, so that the real clients run without a network.

Built from botocore's service model and the IBM client's code; never compared with the live services.
"""
