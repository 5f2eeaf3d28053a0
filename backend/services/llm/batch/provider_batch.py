"""A provider's own batch: submitted, polled until it has ended, and read.

submit_files            submit each file, or cancel those that are submitted
ProviderBatch           what was submitted, by its id
  status, cancel        of all the provider's batches that it consists of
  results               wait for the end of all of them, download them, read them in order
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..call.drivers import Transport, async_method, blocking_method
from ..effects import Effects, Overdue, run_blocking, sleep
from ..errors import LLMError, LLMTimeoutError, RateLimitError, Retry
from ..events import check_callback
from ..providers.batch_types import BatchLine, BatchState, BatchStatus
from ..types import Reply
from .api import BatchApi
from .file_submission import FileSubmission
from .input_files import InputFile
from .pricing import priced
from .provider_results import AsyncProviderResults, ProviderResults
from .result_files import ResultFile, ResultFiles
from .results import BatchResult

if TYPE_CHECKING:
    from .bookkeeping import BatchBookkeeper
    from .reservations import BatchReservations

R = TypeVar("R")
T = TypeVar("T")

#: Makes a reply of what a line holds, or raises LLMError.
ReadLine = Callable[[BatchLine], Reply]
OnStatus = Callable[[BatchStatus], object]

#: Seconds between two looks at a batch: the first, by what they grow, and the longest.
FIRST_POLL, GROWTH, LONGEST_POLL = 2.0, 1.5, 60.0
#: How often a request of a batch is tried, and the longest wait between, in seconds.
_ATTEMPTS, _LONGEST_BACKOFF = 6, 60.0
#: Seconds for one request, which may move a whole file.
_TIMEOUT = 3600.0
#: Several batches together are in the first of these states that one of them is in.
_ORDER: tuple[BatchState, ...] = (
    *("waiting", "running", "cancelling", "failed", "expired", "cancelled", "completed"),
)


class ProviderBatch(Generic[T]):
    """A batch that a provider answers in its own time, at half the price.

    `id` finds it again after a restart (`resume_batch`): it names each of the provider's batches
    (`batch_ids`), which are several where a file cannot hold all prompts.
    """

    def __init__(
        self,
        api: BatchApi,
        transport: Transport,
        batch_ids: Sequence[str],
        read_line: ReadLine,
        bookkeeper: BatchBookkeeper,
        prompts: Sequence[Any] | None = None,
    ) -> None:
        self._api = api
        self._transport = transport
        self._read_line = read_line
        self._prompts = prompts
        self._bookkeeper = bookkeeper
        self.batch_ids = tuple(batch_ids)

    @property
    def id(self) -> str:
        """What finds the batch again."""
        return ",".join(self.batch_ids)

    def __repr__(self) -> str:
        return f"ProviderBatch({self.id!r})"

    @blocking_method
    def status(self) -> Effects[BatchStatus]:
        """Return how far it is now; raises LLMError.

        Of one that has ended without answers, what was reserved is given back.
        """
        known: dict[str, BatchStatus] = {}
        status = yield from self._status(known)
        self._bookkeeper.polled(status)
        for batch_id, each in known.items():
            if each.has_no_results:
                yield from self._bookkeeper.ended_without_results(batch_id, self._api)
        return status

    @blocking_method
    def cancel(self) -> Effects[None]:
        """Have it end: what is answered until then is billed, and can be read."""
        for batch_id in self.batch_ids:
            yield from _with_retries(partial(self._api.cancel, batch_id))

    def results(self, on_status: OnStatus | None = None) -> Iterator[BatchResult[T]]:
        """Wait until it has ended, and yield a result for each prompt, in their order.

        *on_status* is called with each `BatchStatus` on the way. Raises LLMError where it cannot be
        looked at or downloaded: it goes on at the provider, and can be read later.
        """
        return ProviderResults(partial(self._download, on_status), self._result_of)

    def aresults(self, on_status: OnStatus | None = None) -> AsyncIterator[BatchResult[T]]:
        """Do as `results` does, without blocking the event loop while it waits."""
        return AsyncProviderResults(partial(self._adownload, on_status), self._result_of)

    @blocking_method
    def _download(self, on_status: OnStatus | None) -> Effects[ResultFiles]:
        return (yield from self._wait_and_download(on_status))

    astatus, acancel = async_method(status), async_method(cancel)
    _adownload = async_method(_download)

    def _status(self, known: dict[str, BatchStatus]) -> Effects[BatchStatus]:
        """Look at each batch that is not *known* to have ended, and add them up."""
        for batch_id in self.batch_ids:
            if batch_id not in known or not known[batch_id].is_finished:
                known[batch_id] = yield from _with_retries(partial(self._api.status, batch_id))
        return _sum_of(list(known.values()))

    def _wait_and_download(self, on_status: OnStatus | None) -> Effects[ResultFiles]:
        if on_status is not None:
            check_callback("on_status", on_status, "a BatchStatus")
        known: dict[str, BatchStatus] = {}
        seconds = FIRST_POLL
        while True:
            status = yield from self._status(known)
            self._bookkeeper.polled(status)
            if on_status is not None:
                on_status(status)
            if status.is_finished:
                break
            yield from sleep(seconds, "retry")
            seconds = min(seconds * GROWTH, LONGEST_POLL)
        files = [ResultFile(self._api, batch_id, known[batch_id]) for batch_id in self.batch_ids]
        try:
            for file in files:
                yield from _with_retries(file.download)
                yield from self._bookkeeper.ended(file, self._api)
        except BaseException:
            for file in files:
                file.close()
            raise
        return ResultFiles(files)

    def _result_of(self, line: BatchLine) -> BatchResult[T]:
        index = line.id.index
        prompts = self._prompts or ()
        prompt = prompts[index] if index < len(prompts) else None
        line = priced(line, self._api)
        try:
            return BatchResult(index, prompt, self._read_line(line))
        # A schema's own function may raise anything: it is the error of this prompt alone.
        except Exception as error:
            if isinstance(error, LLMError):
                error.attempts = line.outcome.attempts
            return BatchResult(index, prompt, error=error)


def submit_files(
    api: BatchApi,
    files: Sequence[InputFile],
    hours: int,
    reservations: BatchReservations,
    bookkeeper: BatchBookkeeper,
) -> Effects[list[str]]:
    """Submit each of *files*, and return their ids; what is submitted is cancelled on an error.

    All is reserved before the first is submitted.
    """
    submissions: list[FileSubmission] = []
    try:
        yield from reservations.reserve()
        for file in files:
            submissions.append(FileSubmission(api, file, hours))
            batch_id = yield from _with_retries(submissions[-1].submit)
            yield from bookkeeper.submitted(batch_id, reservations.keep(file.token))
    except BaseException as error:
        # A cancellation too: nobody would ever read what goes on.
        reservations.cancel()
        for each in submissions:
            each.abandon()
        begun = [each for each in submissions if each.batch_id]
        if not isinstance(error, GeneratorExit):  # a generator that is closed cannot yield
            for each in begun:
                yield from _cancel(each)
        raise
    return [each.batch_id for each in submissions]


def _cancel(submission: FileSubmission) -> Effects[None]:
    """Cancel what was submitted. A failure is only logged: another error is being raised."""
    try:
        yield from _with_retries(submission.cancel)
    except LLMError as error:
        submission.warn(error)


def check(api: BatchApi) -> Effects[None]:
    """Raise `ConfigurationError` where batches cannot be asked for."""
    yield from _with_retries(api.check)


def _with_retries(operation: Callable[[], R]) -> Effects[R]:
    """Run *operation* in a thread, again where it fails by what is known to pass."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return (yield from run_blocking(operation, _TIMEOUT, "batch"))
        except Overdue:
            raise LLMTimeoutError(f"No answer within {_TIMEOUT:g} seconds") from None
        except LLMError as error:
            passes = error.retry in (Retry.AFTER_BACKOFF, Retry.AT_ONCE)
            if attempt == _ATTEMPTS or not (passes or isinstance(error, RateLimitError)):
                raise
            seconds = max(error.retry_after or 0.0, min(2.0**attempt, _LONGEST_BACKOFF))
        yield from sleep(seconds, "retry")


def _sum_of(parts: Sequence[BatchStatus]) -> BatchStatus:
    state = min((part.state for part in parts), key=_ORDER.index)
    return BatchStatus(
        state,
        sum(part.total for part in parts),
        sum(part.completed for part in parts),
        sum(part.failed for part in parts),
        "; ".join(part.message for part in parts if part.message),
    )
