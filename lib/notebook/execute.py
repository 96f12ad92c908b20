"""
Runs a notebook on the Deno kernel, for execute.ts: reads a request, one line of JSON, from standard input and writes
messages, one line of JSON each, to standard output. It stops when standard input is closed.
"""

import asyncio
import glob
import json
import os
import queue
import signal
import sys
import threading
import time
import uuid

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, CellTimeoutError, DeadKernelError

INTERRUPT_TIMEOUT = 2.0  # seconds for an interrupted kernel to save its work
OUTPUT_TIMEOUT = 30  # seconds for outputs to arrive after the end of a cell
MAX_OUTPUTS = 20e6  # bytes of a cell's outputs

# Deno's kernel loses uncaught errors, or hangs: this handler keeps them for FLUSH.
CATCH_ERRORS = """{
  const uncaught = [];
  const keep = (event) => {
    if (event.type === "error") event.preventDefault();
    uncaught.push(event);
  };
  globalThis.addEventListener("error", keep);
  globalThis.addEventListener("unhandledrejection", keep);
  const { log } = console, { broadcast } = Deno.jupyter; // Before the notebook can replace them.
  const flush = async (marker) => {
    log(marker);
    await broadcast("display_data", { data: { "text/plain": marker }, metadata: {} });
    // A rejection whose default was prevented has been handled by the notebook's own listener.
    const event = uncaught.splice(0).find((it) => it.type === "error" || !it.defaultPrevented);
    if (!event) return;
    const thrown = event.type === "error" ? event.error ?? event.message : event.reason;
    throw thrown instanceof Error ? thrown : new Error(Deno.inspect(thrown));
  };
  Object.defineProperty(globalThis, Symbol.for("gpt1.flush"), { value: flush });
}
undefined;"""  # Otherwise its value would be an output, which could arrive late and be attributed to the first cell.
# Deno's kernel sends some outputs after reporting that it is idle: when these markers arrive, all outputs have.
FLUSH = 'await globalThis[Symbol.for("gpt1.flush")]("MARKER");'


def send(**message):
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:  # the parent has ended: standard input is closed, too
        pass


def size(value):
    return len(json.dumps(value, ensure_ascii=False))


class Client(NotebookClient):
    catches_errors = False  # whether the kernel has run CATCH_ERRORS
    current = None  # the cell that outputs belong to while extra code runs
    marker = None  # the text that marks the end of a cell's outputs
    arrived = None  # message types in which the marker has arrived
    excess = None  # size of a cell's outputs if they are too large, in bytes
    received = 0  # bytes of outputs since they were last measured
    errors = None  # errors received while extra code ran: its own, or late ones of the cell

    async def run_extra(self, source, index):
        """Runs code that is not a cell of the notebook."""
        self.current = self.nb.cells[index]
        try:
            await self.async_execute_cell(nbformat.v4.new_code_cell(source), index, store_history=False)
        finally:
            self.nb.cells[index], self.current = self.current, None  # nbclient has replaced the cell

    async def finish(self, index):
        """Waits for all outputs of a cell; raises uncaught errors."""
        self.marker, self.arrived, self.errors = str(uuid.uuid4()), set(), []
        uncaught = None
        try:
            await self.run_extra(FLUSH.replace("MARKER", self.marker), index)
        except CellExecutionError as error:
            uncaught = error
        end = time.monotonic() + OUTPUT_TIMEOUT
        self.current = self.nb.cells[index]
        try:
            while len(self.arrived) < 2 and self.excess is None:
                message = await self.kc.iopub_channel.get_msg(timeout=max(0, end - time.monotonic()))
                self.receive(message, self.current, index)
        finally:
            self.current = None
        if uncaught:
            raise uncaught
        self.nb.cells[index].outputs += [nbformat.v4.output_from_msg(each) for each in self.errors]

    def receive(self, message, cell, index):
        """Whether the kernel is idle again."""
        try:
            self.process_message(message, cell, index)
        except CellExecutionComplete:
            return True
        return False

    async def _async_poll_output_msg(self, parent, cell, index):
        while True:
            message = await self.kc.iopub_channel.get_msg(timeout=None)
            own = message["parent_header"].get("msg_id") == parent
            # Late outputs are added to the previous cell.
            if (own or self.current) and self.receive(message, cell, index) and own:
                return

    def process_message(self, message, cell, index):
        kind, content = message["msg_type"], message["content"]
        if self.current:
            cell = self.current
            if kind == "execute_input":  # of the extra code
                return None
            if kind == "error":
                if self.errors is not None:
                    self.errors.append(message)
                return None
            if kind == "stream" and self.marker and self.marker in content["text"]:
                self.arrived.add(kind)
                content["text"] = content["text"].replace(self.marker + "\n", "")
                if content["text"] == "":
                    return None
            if kind == "display_data" and content["data"].get("text/plain") == self.marker:
                self.arrived.add(kind)
                return None
        try:
            return super().process_message(message, cell, index)
        finally:
            if kind != "status":
                self.received += size(content)
                # Outputs may have been replaced or cleared since.
                if self.received > MAX_OUTPUTS:
                    self.received = size(cell.outputs)
                    if self.received > MAX_OUTPUTS:
                        self.excess = self.received
                        self.task_poll_for_reply.cancel()


async def run(notebook, folder, limit, mark):
    client = Client(
        notebook,
        kernel_name="deno",
        timeout=limit,
        iopub_timeout=OUTPUT_TIMEOUT,
        raise_on_iopub_timeout=True,
        resources={"metadata": {"path": folder}},
        force_raise_errors=True,
        skip_cells_with_tag=",",  # an impossible tag
        record_timing=False,
        store_widget_state=False,
        shutdown_kernel="immediate",  # a kernel that hangs would not respond
    )
    client.reset_execution_trackers()
    try:
        async with client.async_setup_kernel(stdout=sys.stderr, env={**os.environ, MARK: mark}):
            ignore_signals()  # nbclient has replaced the handlers
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type != "code":
                    continue
                started = time.monotonic()
                send(cell=index)
                why = await failure(client, cell, index, limit)
                if why:
                    return send(failed=index, why=why)
                send(cell=index, seconds=time.monotonic() - started)
            nbformat.validate(notebook)
            send(notebook=notebook)
    finally:
        end(mark, getattr(getattr(client.km, "provisioner", None), "pgid", None))


LOST = "its outputs did not arrive, as happens to those that are too large"


async def failure(client, cell, index, limit):
    """Runs a cell; returns the reason if it fails."""
    cell.outputs = []  # nbclient does not run a cell without code, and would keep its outputs
    client.excess, client.received = None, 0
    try:
        if not client.catches_errors:
            await client.run_extra(CATCH_ERRORS, index)
            client.catches_errors = True
        await client.async_execute_cell(cell, index)
        await client.finish(index)
    except CellExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except queue.Empty:
        return LOST
    except CellTimeoutError as error:
        if "IOPub" in str(error):
            return LOST
        await client.km.interrupt_kernel()  # it may have work to save
        await asyncio.sleep(INTERRUPT_TIMEOUT)
        return f"it took longer than its limit of {limit:g} s"
    except DeadKernelError:
        if client.excess is None:
            return "the kernel has died"
    except ValueError as error:
        if "Signature" not in str(error):  # Deno's kernel signs some large outputs incorrectly
            raise
        return LOST
    if client.excess is None and size(cell.outputs) > MAX_OUTPUTS:
        client.excess = size(cell.outputs)
    if client.excess is not None:
        return f"its outputs have {client.excess / 1e6:.0f} MB, more than {MAX_OUTPUTS / 1e6:g} MB"
    for output in cell.outputs:
        if output.output_type == "error":
            return f"{output.ename}: {output.evalue}"
    return None


# Environment variable of the kernel that its child processes inherit.
MARK = "GPT1_NOTEBOOK_RUN"


def end(mark, group=None):
    """Kills the kernel's process group and, on Linux, processes that have left it."""
    if group:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    entry = f"{MARK}={mark}".encode()
    for _ in range(100):  # repeated, as processes may start others meanwhile
        found = False
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file:
                    if entry in file.read().split(b"\0"):
                        os.kill(int(path.split("/")[2]), signal.SIGKILL)
                        found = True
            except OSError:  # it has ended, or belongs to another user
                pass
        if not found:
            return
        time.sleep(0.02)


def ignore_signals():
    """Ctrl-C reaches this process too; it stops, with the kernel, when its standard input is closed."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    except (AttributeError, NotImplementedError):  # on Windows
        pass


async def main():
    ignore_signals()
    request = json.loads(sys.stdin.buffer.readline())
    mark = request["mark"]
    try:
        notebook = nbformat.reads(request["notebook"], as_version=4)
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return send(invalid=str(error).split("\n")[0])
    work = asyncio.ensure_future(run(notebook, request["folder"], request["timeout"], mark))
    loop = asyncio.get_running_loop()

    def wait_for_end():
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(work.cancel)
        time.sleep(10)  # it takes longer only if something hangs
        end(mark)
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()  # a bug keeps its stack


asyncio.run(main())
