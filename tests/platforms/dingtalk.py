from tests.platforms.far_end import FarEnds

FAR_ENDS: dict[str, FarEnds] = {}
