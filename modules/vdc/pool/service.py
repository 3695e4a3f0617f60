"""Everything that the service is made of, put together once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from vdc.client.models import App, Event, Progress
from vdc.errors import PackageError, RefusedError, SchedulerError, VdcError
from vdc.pool import views
from vdc.pool.aside import aside
from vdc.pool.auth import Caller, Gate
from vdc.pool.config import PoolConfig
from vdc.pool.facts import NodeFacts
from vdc.pool.follower import Follower
from vdc.pool.hub import Hub
from vdc.pool.installer import Installer
from vdc.pool.logs import Logs
from vdc.pool.readmodel import RUN
from vdc.pool.records import AppRecord, AppStore
from vdc.pool.runs import Runs
from vdc.pool.shelf import Shelf
from vdc.pool.stage import PoolStage
from vdc.pool.watch import Watch
from vdc.scheduler.access import Access
from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import Variables
from vdc.scheduler.work import Work
