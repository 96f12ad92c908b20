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
import uuid

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, CellTimeoutError, DeadKernelError

PATIENCE = 2.0  # seconds for a kernel that was interrupted
ARRIVAL = 30  # seconds for outputs that are on their way when a cell has ended
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
  const { log } = console, { broadcast } = Deno.jupyter; // Before the notebook has others in their place.
  const speak = async (last) => {
    log(last);
    await broadcast("display_data", { data: { "text/plain": last }, metadata: {} });
    // A listener of the notebook's own has dealt with a rejection whose default it prevented.
    const event = lost.splice(0).find((it) => it.type === "error" || !it.defaultPrevented);
    if (!event) return;
    const thrown = event.type === "error" ? event.error ?? event.message : event.reason;
    throw thrown instanceof Error ? thrown : new Error(Deno.inspect(thrown));
  };
  Object.defineProperty(globalThis, Symbol.for("gpt1.speak"), { value: speak });
}
undefined;"""  # Else its value would be an output, which may come late and be taken for the first cell's.
# Deno's kernel sends some outputs after it has reported that it is idle. What comes after these has been sent after them.
SPEAK = 'await globalThis[Symbol.for("gpt1.speak")]("LAST");'


def tell(**what):
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:  # nobody listens any more: standard input ends, too
        pass


def size(value):
    return len(json.dumps(value, ensure_ascii=False))


class Client(NotebookClient):
    listens = False  # whether the kernel keeps what nobody catches
    current = None  # the cell to which outputs belong while the kernel is asked
    last = None  # a text that is the last of a cell's outputs
    heard = None  # in which ways that text has come
    excess = None  # bytes of outputs that are too many
    received = 0  # bytes of outputs since they were last measured
    errors = None  # that came while the kernel was asked: the asked code's own, or late ones of the cell

    async def ask(self, source, index):
        """Runs code that is no cell of the notebook."""
        self.current = self.nb.cells[index]
        try:
            await self.async_execute_cell(nbformat.v4.new_code_cell(source), index, store_history=False)
        finally:
            self.nb.cells[index], self.current = self.current, None  # nbclient has put its own there

    async def finish(self, index):
        """Waits for all that a cell has put out; raises what nobody has caught."""
        self.last, self.heard, self.errors = str(uuid.uuid4()), set(), []
        uncaught = None
        try:
            await self.ask(SPEAK.replace("LAST", self.last), index)
        except CellExecutionError as error:
            uncaught = error
        end = time.monotonic() + ARRIVAL
        self.current = self.nb.cells[index]
        try:
            while len(self.heard) < 2 and self.excess is None:
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
            # What came late is told as the former's.
            if (own or self.current) and self.receive(message, cell, index) and own:
                return

    def process_message(self, message, cell, index):
        kind, content = message["msg_type"], message["content"]
        if self.current:
            cell = self.current
            if kind == "execute_input":  # of what is asked
                return None
            if kind == "error":
                if self.errors is not None:
                    self.errors.append(message)
                return None
            if kind == "stream" and self.last and self.last in content["text"]:
                self.heard.add(kind)
                content["text"] = content["text"].replace(self.last + "\n", "")
                if content["text"] == "":
                    return None
            if kind == "display_data" and content["data"].get("text/plain") == self.last:
                self.heard.add(kind)
                return None
        try:
            return super().process_message(message, cell, index)
        finally:
            if kind != "status":
                self.received += size(content)
                # What came may have been replaced or cleared since.
                if self.received > LARGEST:
                    self.received = size(cell.outputs)
                    if self.received > LARGEST:
                        self.excess = self.received
                        self.task_poll_for_reply.cancel()


async def run(notebook, folder, limit, mark):
    client = Client(
        notebook,
        kernel_name="deno",
        timeout=limit,
        iopub_timeout=ARRIVAL,
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


LOST = "its outputs did not arrive, as happens to those that are too large"


async def failure(client, cell, index, limit):
    """Runs a cell; why it failed, if it did."""
    cell.outputs = []  # of one without code, which is not run
    client.excess, client.received = None, 0
    try:
        if not client.listens:
            await client.ask(LISTEN, index)
            client.listens = True
        await client.async_execute_cell(cell, index)
        await client.finish(index)
    except CellExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except queue.Empty:
        return LOST
    except CellTimeoutError as error:
        if "IOPub" in str(error):
            return LOST
        await client.km.interrupt_kernel()  # it may have something to save
        await asyncio.sleep(PATIENCE)
        return f"it took longer than its limit of {limit:g} s"
    except DeadKernelError:
        if client.excess is None:
            return "the kernel has died"
    except ValueError as error:
        if "Signature" not in str(error):  # which Deno's kernel gets wrong for some large outputs
            raise
        return LOST
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
