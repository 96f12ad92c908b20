/**
 * A page in headless Chromium, by its DevTools protocol.
 *
 * @module
 */
import { chromium } from "../programs.ts";

/** An open page. */
export interface Page extends AsyncDisposable {
  /** What the console, the policy and thrown errors say. */
  readonly complaints: readonly string[];
  /** What was asked for over any protocol, the page itself first. */
  readonly requests: readonly string[];
  /** The value of an expression in the page, as JSON. */
  evaluate(expression: string): Promise<unknown>;
  /** Moves the mouse to a place of the window, in CSS pixels. */
  mouse(x: number, y: number): Promise<void>;
  /** Presses a key: a name such as `Tab` or `ArrowLeft`, or a letter. */
  press(key: string): Promise<void>;
  /** A PNG of the whole page. */
  screenshot(): Promise<Uint8Array>;
}

/** What differs from a current browser on a desk. */
export interface Conditions {
  /** Whether scripts run. */
  readonly scripts?: boolean;
  /** Width of the window, in CSS pixels. */
  readonly width?: number;
  /** Whether the screen is dark. */
  readonly dark?: boolean;
  /** Code that runs before the page's own. */
  readonly before?: string;
}

/** Starts Chromium before a file's tests and ends it after them, where there is one. */
export function useChromium(): void {
  if (chromium === undefined) return;
  let running: AsyncDisposable;
  Deno.test.beforeAll(async () => {
    running = await startChromium();
  });
  Deno.test.afterAll(async () => await running[Symbol.asyncDispose]());
}

let port = "";

/** Starts the Chromium in which pages are opened: it takes some seconds, once. */
export async function startChromium(): Promise<AsyncDisposable> {
  const profile = await Deno.makeTempDir();
  const child = new Deno.Command(chromium!, {
    args: [
      "--headless",
      "--no-sandbox", // Without which it does not run as root.
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--window-size=1000,800",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  port = await until(async () => {
    const text = await Deno.readTextFile(`${profile}/DevToolsActivePort`).catch(() => "");
    return text.includes("\n") ? text.split("\n")[0] : undefined;
  });
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    },
  };
}

/** Opens a file in the Chromium that was started, without a network, in a window of 1000 × 800. */
export async function open(
  file: string,
  { scripts = true, width = 1000, dark = false, before = "" }: Conditions = {},
): Promise<Page> {
  const asked = await fetch(`http://127.0.0.1:${port}/json/new`, { method: "PUT" });
  const { id: tab, webSocketDebuggerUrl } = await asked.json() as {
    id: string;
    webSocketDebuggerUrl: string;
  };
  const socket = new WebSocket(webSocketDebuggerUrl);
  await new Promise((go) => socket.onopen = go);

  const waiting = new Map<number, (message: Message) => void>();
  const complaints: string[] = [], requests: string[] = [];
  let loaded = () => {};
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data) as Message;
    if (message.id !== undefined) return waiting.get(message.id)?.(message);
    const told = JSON.stringify(message.params);
    if (message.method === "Network.requestWillBeSent") {
      requests.push((message.params as { request: { url: string } }).request.url);
    } else if (message.method === "Page.loadEventFired") loaded();
    else if (/^(Log\.entryAdded|Runtime\.(exceptionThrown|consoleAPICalled))$/.test(message.method ?? "")) {
      complaints.push(told);
    }
  };
  let last = 0;
  const send = async (method: string, params: object = {}): Promise<unknown> => {
    const id = ++last;
    const answer = new Promise<Message>((go) => waiting.set(id, go));
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  await send("Network.emulateNetworkConditions", {
    offline: true,
    latency: 0,
    downloadThroughput: 0,
    uploadThroughput: 0,
  });
  await send("Emulation.setScriptExecutionDisabled", { value: !scripts });
  await send("Emulation.setDeviceMetricsOverride", {
    width,
    height: 800,
    deviceScaleFactor: 1,
    mobile: false,
  });
  await send("Emulation.setEmulatedMedia", {
    features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
  });
  if (before) await send("Page.addScriptToEvaluateOnNewDocument", { source: before });
  const load = new Promise<void>((go) => loaded = go);
  await send("Page.navigate", { url: `file://${file}` });
  await load;

  return {
    complaints,
    requests,
    async evaluate(expression) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        returnByValue: true,
        awaitPromise: true,
      }) as { result: { value: unknown }; exceptionDetails?: { exception?: { description?: string } } };
      if (exceptionDetails) throw new Error(`In the page: ${exceptionDetails.exception?.description}`);
      return result.value;
    },
    async mouse(x, y) {
      await send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
    },
    async press(key) {
      const text = key.length === 1 ? key : key === "Enter" ? "\r" : undefined;
      const keyCode = { Tab: 9, Enter: 13, End: 35, Home: 36, ArrowLeft: 37, ArrowRight: 39 }[key];
      const event = { key, code: key, ...text && { text }, ...keyCode && { windowsVirtualKeyCode: keyCode } };
      await send("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", ...event });
      await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    },
    async screenshot() {
      const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true }) as {
        data: string;
      };
      return Uint8Array.fromBase64(data);
    },
    async [Symbol.asyncDispose]() {
      await new Promise((go) => {
        socket.onclose = go;
        socket.close();
      });
      await (await fetch(`http://127.0.0.1:${port}/json/close/${tab}`)).text();
    },
  };
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: object;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** The first answer that is there, asked for twenty times a second for at most 20 s. */
export async function until<T>(ask: () => Promise<T>): Promise<NonNullable<T>> {
  for (const end = performance.now() + 20e3; performance.now() < end;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((go) => setTimeout(go, 50));
  }
  throw new Error(`There is no answer after 20 s: ${ask}`);
}
