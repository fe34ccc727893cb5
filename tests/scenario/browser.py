"""A headless Chromium, driven through its DevTools protocol: one page, navigate and evaluate."""
import asyncio
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import websockets

import harness

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """with Browser() as b: page = b.page(URL); page.evaluate("document.title")"""

    def __init__(self, *args):
        """`args` go to Chromium, such as --host-resolver-rules."""
        self.folder = tempfile.mkdtemp(prefix="bellwire-chromium-")
        self.loop = asyncio.new_event_loop()
        self.process = subprocess.Popen(
            [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
             "--no-default-browser-check", "--proxy-server=direct://", "--remote-debugging-port=0",
             f"--user-data-dir={self.folder}", *args, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        port_file = pathlib.Path(self.folder, "DevToolsActivePort")
        text = harness.wait_for(lambda: port_file.exists() and port_file.read_text().count("\n") and port_file.read_text(),
                                "Chromium's debugging port")
        self.port = int(text.split("\n")[0])
        self.pages = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for page in self.pages:
            self.loop.run_until_complete(page.socket.close())
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def page(self, url):
        """Opens a tab on `url` and waits until it is loaded."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=harness.DEADLINE) as answer:
            target = json.load(answer)
        page = Page(self, target["webSocketDebuggerUrl"])
        self.pages.append(page)
        page.open(url)
        return page


class Unanswered(Exception):
    """DevTools could not evaluate: above all, because the page was just being left for another."""


class Page:
    def __init__(self, browser, address):
        self.browser = browser
        self.number = 0
        self.socket = self._run(self._connect(address))

    @staticmethod
    async def _connect(address):
        return await websockets.connect(address, max_size=None, ping_interval=None)

    def _run(self, awaitable):
        async def bounded():
            return await asyncio.wait_for(awaitable, harness.DEADLINE)
        return self.browser.loop.run_until_complete(bounded())

    def command(self, method, **params):
        self.number += 1
        self._run(self.socket.send(json.dumps({"id": self.number, "method": method, "params": params})))
        while True:
            answer = json.loads(self._run(self.socket.recv()))
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Unanswered(answer["error"])
                return answer["result"]

    def open(self, url):
        result = self.command("Page.navigate", url=url)
        assert "errorText" not in result, result
        self.wait("document.readyState == 'complete' && location.href != 'about:blank'")

    def evaluate(self, expression):
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def leave(self, expression):
        """Evaluates what leads to another page, which may replace this one before the answer is out."""
        try:
            self.evaluate(expression)
        except Unanswered:
            pass

    def wait(self, expression):
        """Until a JavaScript expression is true, in this page or in the one that replaces it; returns its value."""
        deadline = time.monotonic() + harness.DEADLINE
        value = None
        while not value:
            assert time.monotonic() < deadline, f"never true in the page: {expression}"
            try:
                value = self.evaluate(expression)
            except Unanswered:
                pass
            time.sleep(0.02)  # a breath between two looks; nothing depends on its length
        return value

    def text(self):
        return self.evaluate("document.body.innerText")

