"""/open311/v2: the ledger as a server of GeoReport v2, in XML and JSON, with its error rules."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud.cases import service_requests
from cloud.cases.service_requests import SOURCE, Listed, Update
from cloud.core import open311
from cloud.core.case_steps import OPEN_STATES, STATES, STEPS
from cloud.core.open311 import BAD, FORBIDDEN, MISSING, Attribute, Fault, RefusedError, Service
from cloud.core.open311_text import FORMS, Value, write
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state.database import retrying
from cloud.web.limiter import Limiter
from cloud.web.services import Services
from contract.errors import StorageError

log = logging.getLogger(__name__)
T = TypeVar("T")

SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"
CHANGED = "2026-11-23T00:00:00Z"  # when services or their attributes last changed
TOO_MANY = 429
MINUTE_S = 60.0
KEYS_PER_ADDRESS = 5  # so many senders may sit behind one address
_CODES = {NotFoundError: MISSING, ForbiddenError: FORBIDDEN, InvalidError: BAD, ConflictError: 503}
_FAILED = "the data cannot be read or written right now; try again later"


class Open311:
    """The resources. Each is asked for in a format: requests.json."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._offered = open311.services_of(services.policy.categories)
        most = services.open311.posts_per_minute
        self._posts_of_key = Limiter(most, MINUTE_S)
        self._posts_of_address = Limiter(most * KEYS_PER_ADDRESS, MINUTE_S)

    def app(self) -> Starlette:
        """Return the application to be mounted at /open311/v2."""
        routes = [
            Route("/discovery.{form}", self._answering(self._discovery)),
            Route("/services.{form}", self._answering(self._list)),
            Route("/services/{code}.{form}", self._answering(self._definition)),
            Route("/requests.{form}", self._answering(self._search)),
            Route("/requests.{form}", self._answering(self._file), methods=["POST"]),
            Route("/requests/{number}.{form}", self._answering(self._one)),
            Route("/tokens/{token}.{form}", self._answering(self._token)),
            Route("/servicerequestupdates.{form}", self._answering(self._updates)),
            Route("/servicerequestupdates.{form}", self._answering(self._say), methods=["POST"]),
        ]
        handlers = {HTTPException: self._no_resource, StorageError: self._storage}
        return Starlette(routes=routes, exception_handlers=handlers)

    # --- resources -----------------------------------------------------------------------------

    async def _discovery(self, request: Request) -> tuple[str, Value]:
        base = str(request.url).partition("/discovery.")[0]
        endpoint: Mapping[str, Value] = {
            "specification": SPECIFICATION,
            "url": base,
            "changeset": CHANGED,
            "type": "production",
            "formats": ["text/xml", "application/json"],
        }
        settings = self._services.open311
        told: Mapping[str, Value] = {
            "changeset": CHANGED,
            "contact": settings.contact,
            "key_service": settings.key_service,
            "endpoints": [endpoint],
        }
        return "discovery", told

    async def _list(self, _: Request) -> tuple[str, Value]:
        return "services", [_service(each) for each in self._offered.values()]

    async def _definition(self, request: Request) -> tuple[str, Value]:
        service = open311.service_of(request.path_params["code"], self._offered)
        attributes = [
            _attribute(each, order) for order, each in enumerate(service.attributes, start=1)
        ]
        return "service_definition", {"service_code": service.code, "attributes": attributes}

    async def _search(self, request: Request) -> tuple[str, Value]:
        now_ms = self._services.clock.now_ms()
        wanted = open311.search_of(_query(request), now_ms, self._offered)
        return "service_requests", await self._found(wanted)

    async def _one(self, request: Request) -> tuple[str, Value]:
        number = request.path_params["number"]
        wanted = open311.Search(ids=(number,))
        found = await self._found(wanted)
        if not found:
            raise _missing("service_request_id", number)
        return "service_requests", found

    async def _token(self, request: Request) -> tuple[str, Value]:
        """Numbers are given at once here, so the number is the token."""
        token = request.path_params["token"]
        wanted = open311.Search(ids=(token,))
        found = await self._read(lambda connection: service_requests.search(connection, wanted))
        if not found:
            raise _missing("token", token)
        return "service_requests", [{"service_request_id": token, "token": token}]

    async def _file(self, request: Request) -> tuple[str, Value]:
        form = await _form(request)
        key = await self._key(request, form)
        wanted = open311.wanted_of(form, self._offered)
        services = self._services
        now_ms, zone, policy = services.clock.now_ms(), services.timezone, services.policy
        number = await self._write(
            lambda connection: service_requests.file(connection, wanted, key, now_ms, zone, policy)
        )
        account = wanted.fields.get("account_id")
        notice = "已受理待立案 It waits to be accepted."
        filed: Mapping[str, Value] = {
            "service_request_id": number,
            "service_notice": notice,
            "account_id": account,
        }
        return "service_requests", [filed]

    async def _updates(self, request: Request) -> tuple[str, Value]:
        now_ms = self._services.clock.now_ms()
        from_ms, to_ms = open311.stretch_of(_query(request), now_ms)

        def read(connection: sa.Connection) -> list[Value]:
            found = service_requests.updates(connection, from_ms, to_ms)
            return [self._update(each) for each in found]

        return "service_request_updates", await self._read(read)

    async def _say(self, request: Request) -> tuple[str, Value]:
        form = await _form(request)
        key = await self._key(request, form)
        said = open311.said_of(form)
        now_ms = self._services.clock.now_ms()
        number = await self._write(
            lambda connection: service_requests.say(connection, said, key, now_ms)
        )
        return "service_request_updates", [{"update_id": str(number)}]

    # --- shapes --------------------------------------------------------------------------------

    def _request(self, listed: Listed) -> Mapping[str, Value]:
        case = listed.case
        # What people told otherwise is not for everybody: names and telephone numbers are in it.
        told_here = case.source in (SOURCE, "alert")
        service = self._offered.get(case.category)
        return {
            "service_request_id": case.id,
            "status": "open" if case.state in OPEN_STATES else "closed",
            "status_notes": f"{STATES[case.state].zh} {STATES[case.state].en}",
            "service_name": service.label.zh if service else case.category,
            "service_code": case.category,
            "description": (case.description if told_here else "")
            or f"{case.title} {case.title_en}",
            "agency_responsible": case.unit or None,
            "service_notice": None,
            "requested_datetime": self._time(case.opened_ms),
            "updated_datetime": self._time(listed.updated_ms),
            "expected_datetime": None if case.due_ms is None else self._time(case.due_ms),
            "address": (listed.address or None) if told_here else None,
            "address_id": listed.address_id or None,
            "zipcode": None,
            "lat": listed.latitude,
            "long": listed.longitude,
            "media_url": None,
        }

    def _update(self, update: Update) -> Mapping[str, Value]:
        label = STEPS[update.step].label
        return {
            "update_id": str(update.id),
            "service_request_id": update.case,
            "status": "OPEN" if update.is_open else "CLOSED",
            "updated_datetime": self._time(update.at_ms),
            "description": f"{label.zh} {label.en}",
        }

    def _time(self, at_ms: int) -> str:
        at = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(self._services.timezone)
        return at.isoformat()

    # --- the way there and back ----------------------------------------------------------------

    def _answering(
        self, resource: Callable[[Request], Awaitable[tuple[str, Value]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            form = request.path_params["form"]
            if form not in FORMS:
                words = f"format {form[:20]!r} was not found; allowed: {', '.join(FORMS)}"
                return refusal(Fault(code=MISSING, description=words))
            try:
                self._check_jurisdiction(request)
                root, value = await resource(request)
            except RefusedError as error:
                return refusal(*error.faults, form=form)
            except tuple(_CODES) as error:
                return refusal(Fault(code=_code(error), description=str(error)), form=form)
            body = await run_sync(write, root, value, form)  # a thousand requests take a while
            return Response(body, media_type=FORMS[form])

        return answer

    def _check_jurisdiction(self, request: Request) -> None:
        ours = self._services.open311.jurisdiction
        told = request.query_params.get("jurisdiction_id", "")
        if ours and told and told != ours:
            raise _missing("jurisdiction_id", told)

    async def _key(self, request: Request, form: Mapping[str, tuple[str, ...]]) -> str:
        address = request.client.host if request.client else ""
        self._count(self._posts_of_address, address, "this address")
        ours, told = self._services.open311.jurisdiction, form.get("jurisdiction_id", ("",))[0]
        if ours and told and told != ours:
            raise _missing("jurisdiction_id", told)
        key = form.get("api_key", ("",))[0]
        name = await self._read(lambda connection: service_requests.key_name(connection, key))
        self._count(self._posts_of_key, name, "api_key")
        return name

    def _count(self, limiter: Limiter, who: str, what: str) -> None:
        """Count a post. Raises: RefusedError (429) if there were too many of late."""
        now_s = self._services.clock.monotonic_s()
        wait_s = math.ceil(limiter.wait_s(who, now_s))
        if wait_s:
            words = f"{what} has posted too often; try again in {wait_s} s"
            raise RefusedError(Fault(code=TOO_MANY, description=words, wait_s=wait_s))
        limiter.count(who, now_s)

    async def _found(self, wanted: open311.Search) -> list[Value]:
        """Read cases and put them in shape, off the event loop."""

        def read(connection: sa.Connection) -> list[Value]:
            return [self._request(each) for each in service_requests.search(connection, wanted)]

        return await self._read(read)

    async def _read(self, work: Callable[[sa.Connection], T]) -> T:
        def reading() -> T:
            with self._services.database.read() as connection:
                return work(connection)

        return await run_sync(reading)

    async def _write(self, work: Callable[[sa.Connection], T]) -> T:
        @retrying
        def writing() -> T:
            with self._services.database.write() as connection:
                return work(connection)

        return await run_sync(writing)

    async def _no_resource(self, request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == MISSING:
            words = f"there is no resource {request.url.path[:80]!r}; try discovery.xml"
            return refusal(Fault(code=MISSING, description=words), form=_form_of(request))
        words = f"{request.method} is not possible here"
        return refusal(Fault(code=BAD, description=words), form=_form_of(request))

    async def _storage(self, request: Request, error: Exception) -> Response:
        log.error("Open311: %s", error)
        response = refusal(Fault(code=503, description=_FAILED), form=_form_of(request))
        response.headers["Retry-After"] = "5"
        return response


def refusal(*faults: Fault, form: str = "xml") -> Response:
    """Answer with every rule that refused a request; the first one's status is the answer's."""
    told: list[Value] = [{"code": fault.code, "description": fault.description} for fault in faults]
    headers = {"Retry-After": str(faults[0].wait_s)} if faults[0].wait_s else None
    return Response(write("errors", told, form), faults[0].code, headers, media_type=FORMS[form])


def unfit_body(path: str, words: str) -> Response:
    """Answer to a body that is not read at all."""
    return refusal(
        Fault(code=BAD, description=words), form="json" if path.endswith(".json") else "xml"
    )


async def _form(request: Request) -> dict[str, tuple[str, ...]]:
    return open311.form_of(await request.body(), request.headers.get("content-type", ""))


def _query(request: Request) -> dict[str, str]:
    """A name that comes several times is a list too."""
    params = request.query_params
    return {name: ",".join(params.getlist(name)) for name in params}


def _code(error: Exception) -> int:
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


def _form_of(request: Request) -> str:
    return "json" if request.url.path.endswith(".json") else "xml"


def _missing(what: str, value: str) -> RefusedError:
    return RefusedError(Fault(code=MISSING, description=f"{what} {value[:64]!r} was not found"))


def _service(service: Service) -> Mapping[str, Value]:
    return {
        "service_code": service.code,
        "service_name": service.label.zh,
        "description": service.label.en,
        "metadata": True,
        "type": "realtime",
        "keywords": f"{service.label.zh}, {service.label.en}",
        "group": f"{service.group.zh} {service.group.en}",
    }


def _attribute(attribute: Attribute, order: int) -> Mapping[str, Value]:
    listed = bool(attribute.values)
    return {
        "variable": True,
        "code": attribute.code,
        "datatype": "singlevaluelist" if listed else "string",
        "required": attribute.required,
        "datatype_description": None,
        "order": order,
        "description": f"{attribute.label.zh} {attribute.label.en}",
        "values": [
            {"key": key, "name": f"{label.zh} {label.en}"}
            for key, label in attribute.values.items()
        ],
    }
