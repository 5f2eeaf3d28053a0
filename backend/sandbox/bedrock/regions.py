"""Which inference profiles can be called from which region."""

from __future__ import annotations

import re

_PREFIX = re.compile(r"(?:^|/)(?P<area>us-gov|us|eu|jp|au|ca|apac|global)\.")
# area of a profile: how the names of its regions begin (AWS's documentation of profiles)
_REGIONS = {
    "us": ("us-east-", "us-west-", "ca-"),
    "us-gov": ("us-gov-",),
    "eu": ("eu-",),
    "jp": ("ap-northeast-",),
    "au": ("ap-southeast-",),
    "apac": ("ap-",),
    "ca": ("ca-",),
    "global": ("",),
}


def profile_is_of(model_id: str, region: str | None) -> bool:
    """Whether the profile of an id, if it names one, can be called from a region."""
    match = _PREFIX.search(model_id)
    if match is None or region is None:
        return True
    return region.startswith(_REGIONS[match["area"]])
