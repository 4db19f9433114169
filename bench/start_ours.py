"""`python -m bench.start_ours PORT FILE`: what `duban serve` runs once its command line is read."""

import asyncio
import sys

from bot.app import Law
from bot.serving import configure_logging, serve
from bot.settings import Settings

if __name__ == "__main__":
    configure_logging()
    given = Settings(port=int(sys.argv[1]), database=f"sqlite://{sys.argv[2]}")
    asyncio.run(serve(Law.shipped(), given, lambda _: None))
