"""`python -m bench.start_bare PORT FILE`: the five packages, one setting, one table, one job, one page."""

import asyncio
import sys
from datetime import UTC, datetime

import arrow
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from pydantic_settings import BaseSettings
from tortoise import Tortoise, fields
from tortoise.models import Model


class Settings(BaseSettings):
    port: int
    file: str


class Thing(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(64)


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"now": arrow.utcnow().isoformat()})


async def tick() -> None:
    await Thing.all().count()


async def main(settings: Settings) -> None:
    await Tortoise.init(db_url=f"sqlite://{settings.file}", modules={"models": ["__main__"]})
    await Tortoise.generate_schemas(safe=True)
    await Thing.all().count()
    scheduler = AsyncIOScheduler()
    scheduler.add_job(tick, "interval", seconds=30, next_run_time=datetime.now(UTC))
    app = web.Application()
    app.add_routes([web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.port).start()
    scheduler.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Settings(port=int(sys.argv[1]), file=sys.argv[2])))
