"""
Runs a notebook on the Deno kernel, for execute.ts: a line of JSON on standard input says which and how, lines
of JSON on standard output tell what becomes of it. Standard input that ends means that it shall stop.
"""

import asyncio
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


def tell(**what):
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:  # nobody listens any more: standard input ends, too
        pass


class Client(NotebookClient):
    async def async_execute_cell(self, cell, cell_index, **settings):
        try:
            return await super().async_execute_cell(cell, cell_index, **settings)
        finally:
            if self.kc and not isinstance(sys.exc_info()[1], (CellTimeoutError, DeadKernelError)):
                await self.drain(cell, cell_index)

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


async def run(notebook, folder, limit):
    client = Client(
        notebook,
        kernel_name="deno",
        timeout=limit,
        resources={"metadata": {"path": folder}},
        force_raise_errors=True,
        skip_cells_with_tag="",
        record_timing=False,
        store_widget_state=False,
        shutdown_kernel="immediate",  # one that hangs would not listen
    )
    client.reset_execution_trackers()
    group = None
    try:
        async with client.async_setup_kernel(stdout=sys.stderr):
            group = getattr(client.km.provisioner, "pgid", None)
            ignore_signals()  # nbclient has put its own in their place
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type != "code":
                    continue
                started = time.monotonic()
                tell(cell=index)
                try:
                    await client.async_execute_cell(cell, index)
                except CellExecutionError as error:
                    return tell(failed=index, why=f"{error.ename}: {error.evalue}")
                except CellTimeoutError:
                    await client.km.interrupt_kernel()  # it may have something to save
                    await asyncio.sleep(PATIENCE)
                    return tell(failed=index, why=f"it took longer than its limit of {limit:g} s")
                except DeadKernelError:
                    return tell(failed=index, why="the kernel has died")
                tell(cell=index, seconds=time.monotonic() - started)
            nbformat.validate(notebook)
            tell(notebook=notebook)
    finally:
        # What the kernel started goes with it.
        if group:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass


def ignore_signals():
    """Ctrl-C reaches this process too; it stops when its standard input ends, and takes the kernel along."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    except NotImplementedError:  # on Windows
        pass


async def main():
    ignore_signals()
    order = json.loads(sys.stdin.buffer.readline())
    try:
        notebook = nbformat.reads(order["notebook"], as_version=4)
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return tell(invalid=str(error).split("\n")[0])
    work = asyncio.ensure_future(run(notebook, order["folder"], order["timeout"]))
    loop = asyncio.get_running_loop()

    def wait_for_end():
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(work.cancel)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()  # a bug keeps its stack


asyncio.run(main())
