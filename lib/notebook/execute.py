"""
Runs a notebook on the Deno kernel, for execute.ts: a line of JSON on standard input says which and how, lines
of JSON on standard output tell what becomes of it. Standard input that ends means that it shall stop.
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

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, CellTimeoutError, DeadKernelError

# Deno's kernel sends some outputs up to a millisecond after it reports that it is idle.
QUIET = 0.05  # seconds without a message after which a cell has no more to say
PATIENCE = 2.0  # for a kernel that never falls silent, and for one that was interrupted
LARGEST = 20e6  # bytes of a cell's outputs

# What nobody catches ends a program, but is lost in Deno's kernel, or wedges it: this keeps it for SPEAK.
LISTEN = """{
  const lost = [];
  const keep = (event) => {
    if (event.type === "error") event.preventDefault();
    lost.push(event);
  };
  globalThis.addEventListener("error", keep);
  globalThis.addEventListener("unhandledrejection", keep);
  Object.defineProperty(globalThis, Symbol.for("gpt1.uncaught"), { value: () => {
    // A listener of the notebook's own has dealt with a rejection whose default it prevented.
    const event = lost.splice(0).find((it) => it.type === "error" || !it.defaultPrevented);
    if (!event) return;
    const thrown = event.type === "error" ? event.error ?? event.message : event.reason;
    throw thrown instanceof Error ? thrown : new Error(Deno.inspect(thrown));
  } });
}"""
SPEAK = """globalThis[Symbol.for("gpt1.uncaught")]();"""


def tell(**what):
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:  # nobody listens any more: standard input ends, too
        pass


def size(value):
    return len(json.dumps(value, ensure_ascii=False))


class Client(NotebookClient):
    listens = False  # whether it tells what nobody catches
    excess = None  # bytes of outputs that are too many
    received = 0  # bytes of outputs since they were last measured

    async def async_execute_cell(self, cell, cell_index, **settings):
        try:
            return await super().async_execute_cell(cell, cell_index, **settings)
        finally:
            if self.kc and not isinstance(sys.exc_info()[1], (CellTimeoutError, DeadKernelError)):
                await self.drain(cell, cell_index)

    async def ask(self, source, index):
        """Runs code that is no cell of the notebook."""
        cell = self.nb.cells[index]
        try:
            await super().async_execute_cell(nbformat.v4.new_code_cell(source), index, store_history=False)
        finally:
            self.nb.cells[index] = cell  # where nbclient has put its own

    def process_message(self, message, cell, index):
        try:
            return super().process_message(message, cell, index)
        finally:
            if message["msg_type"] != "status":
                self.received += size(message["content"])
                # What came may have been replaced or cleared since.
                if self.received > LARGEST:
                    self.received = size(cell.outputs)
                    if self.received > LARGEST:
                        self.excess = self.received
                        self.task_poll_for_reply.cancel()

    async def drain(self, cell, cell_index):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                message = await self.kc.iopub_channel.get_msg(timeout=QUIET)
            except queue.Empty:
                return
            try:
                self.process_message(message, cell, cell_index)
            except CellExecutionComplete:
                pass


async def run(notebook, folder, limit, mark):
    client = Client(
        notebook,
        kernel_name="deno",
        timeout=limit,
        iopub_timeout=30,  # for large outputs, which come after the reply
        raise_on_iopub_timeout=True,
        resources={"metadata": {"path": folder}},
        force_raise_errors=True,
        skip_cells_with_tag=",",  # which no tag may have
        record_timing=False,
        store_widget_state=False,
        shutdown_kernel="immediate",  # one that hangs would not listen
    )
    client.reset_execution_trackers()
    try:
        async with client.async_setup_kernel(stdout=sys.stderr, env={**os.environ, MARK: mark}):
            ignore_signals()  # nbclient has put its own in their place
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type != "code":
                    continue
                started = time.monotonic()
                tell(cell=index)
                why = await failure(client, cell, index, limit)
                if why:
                    return tell(failed=index, why=why)
                tell(cell=index, seconds=time.monotonic() - started)
            nbformat.validate(notebook)
            tell(notebook=notebook)
    finally:
        end(mark, getattr(getattr(client.km, "provisioner", None), "pgid", None))


async def failure(client, cell, index, limit):
    """Runs a cell; why it failed, if it did."""
    cell.outputs = []  # of one without code, which is not run
    client.excess, client.received = None, 0
    try:
        if not client.listens:
            await client.ask(LISTEN, index)
            client.listens = True
        await client.async_execute_cell(cell, index)
        await client.ask(SPEAK, index)
    except CellExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except CellTimeoutError as error:
        if "IOPub" in str(error):
            return "its outputs did not arrive, as happens to those that are too large"
        await client.km.interrupt_kernel()  # it may have something to save
        await asyncio.sleep(PATIENCE)
        return f"it took longer than its limit of {limit:g} s"
    except DeadKernelError:
        if client.excess is None:
            return "the kernel has died"
    except ValueError as error:
        if "Signature" not in str(error):  # which Deno's kernel gets wrong for some large outputs
            raise
        return "its outputs did not arrive whole, as happens to those that are too large"
    if client.excess is None and size(cell.outputs) > LARGEST:
        client.excess = size(cell.outputs)
    if client.excess is not None:
        return f"its outputs have {client.excess / 1e6:.0f} MB, more than {LARGEST / 1e6:g} MB"
    for output in cell.outputs:
        if output.output_type == "error":
            return f"{output.ename}: {output.evalue}"
    return None


# In the environment of the kernel and of all that is started by it, unless it takes care not to hand it on.
MARK = "GPT1_NOTEBOOK_RUN"


def end(mark, group=None):
    """Ends the kernel's group, and, on Linux, what has left it."""
    if group:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    entry = f"{MARK}={mark}".encode()
    for _ in range(100):  # what is started meanwhile is found the next time
        found = False
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file:
                    if entry in file.read().split(b"\0"):
                        os.kill(int(path.split("/")[2]), signal.SIGKILL)
                        found = True
            except OSError:  # it has ended, or is another user's
                pass
        if not found:
            return
        time.sleep(0.02)


def ignore_signals():
    """Ctrl-C reaches this process too; it stops when its standard input ends, and takes the kernel along."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    except (AttributeError, NotImplementedError):  # on Windows
        pass


async def main():
    ignore_signals()
    order = json.loads(sys.stdin.buffer.readline())
    mark = order["mark"]
    try:
        notebook = nbformat.reads(order["notebook"], as_version=4)
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return tell(invalid=str(error).split("\n")[0])
    work = asyncio.ensure_future(run(notebook, order["folder"], order["timeout"], mark))
    loop = asyncio.get_running_loop()

    def wait_for_end():
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(work.cancel)
        time.sleep(10)  # more than that it takes only where something hangs
        end(mark)
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()  # a bug keeps its stack


asyncio.run(main())
