import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { quoted } from "../errors.ts";
import { sha256 } from "../digest.ts";
import { FOLDER, MAX_BYTES } from "../live/cell.ts";
import type { PageContext } from "./render.ts";

/** Maximum size of an embedded image, in bytes. */
const MAX_IMAGE = 4e6;

/** Signatures of image files, by media type. */
const IMAGES: Readonly<Record<string, RegExp>> = {
  "image/png": /^\x89PNG/,
  "image/jpeg": /^\xff\xd8\xff/,
  "image/gif": /^GIF8/,
  "image/webp": /^RIFF....WEBP/s,
  "image/svg+xml": /^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)*<svg\b/,
};

/**
 * Resolves the links and images of a notebook for its page: links to notebooks become links to their pages, and images
 * are embedded. A link to a file outside the page's folder becomes text, so that a copy of the folder has no dead link.
 *
 * @param notebook The notebook's file.
 * @param page The page's file.
 * @param pages Notebooks and their pages, as absolute paths.
 * @param warn Called with a message about broken links and content that cannot be shown.
 * @returns The context to pass to {@linkcode render}.
 *
 * @example
 * ```ts
 * import { pageContext } from "./links.ts";
 *
 * const context = pageContext("notebooks/01_tokens.ipynb", "data/results/html/01_tokens.html", new Map(), console.error);
 * console.log(context.link("https://jupyter.org")); // "https://jupyter.org"
 * ```
 */
export function pageContext(
  notebook: string,
  page: string,
  pages: ReadonlyMap<string, string>,
  warn: (message: string) => void,
): PageContext {
  const folder = dirname(resolve(notebook)), from = dirname(resolve(page));
  return {
    link(href) {
      if (href.startsWith("//")) return `https:${href}`; // In a local page it would resolve to a file.
      if (/^([\w+.-]+:|#|$)/.test(href)) return href;
      const [, path, rest] = /^([^?#]*)(.*)$/s.exec(href)!;
      const target = resolve(folder, decodePath(path!));
      const otherPage = pages.get(target);
      if (isAbsolute(path!) || (otherPage === undefined && !exists(target))) {
        warn(`the target of the link ${quoted(href)} does not exist`);
        return undefined;
      }
      const url = relativeUrl(from, otherPage ?? target);
      return url === undefined ? undefined : url + (path!.endsWith("/") ? "/" : "") + rest;
    },
    image(src) {
      if (/^([\w+.-]+:|\/\/)/.test(src)) {
        warn(`the image ${quoted(src)} is only linked to, as a page loads no other files`);
        return undefined;
      }
      const data = imageOf(resolve(folder, decodePath(src)), [folder, Deno.cwd()]);
      if (data === undefined) {
        warn(`the image ${quoted(src)} is not an image in the notebook's folder or the current folder`);
      }
      return data;
    },
    model({ name, included, sha256 }) {
      const found = included === undefined ? modelOf(sha256!, folder) : includedModel(included);
      if (typeof found !== "string") return found;
      warn(`a live cell is shown as its figure: its model ${quoted(name)} ${found}`);
      return undefined;
    },
    warn,
  };
}

/** The URL of a file, relative to a folder; undefined if it is not in the folder. */
function relativeUrl(from: string, target: string): string | undefined {
  const parts = relative(from, target).split(sep);
  // The path to another drive is absolute.
  return parts[0] === ".." || isAbsolute(parts.join(sep))
    ? undefined
    : parts.map(encodeURIComponent).join("/");
}

/** An image as a `data:` URL. The path comes from the notebook: only image files inside these folders are embedded. */
function imageOf(path: string, folders: readonly string[]): string | undefined {
  try {
    const real = Deno.realPathSync(path);
    if (!folders.some((folder) => real.startsWith(Deno.realPathSync(folder) + sep))) return undefined;
    const { isFile, size } = Deno.statSync(real);
    if (!isFile || size > MAX_IMAGE) return undefined;
    const bytes = Deno.readFileSync(real);
    const begin = String.fromCharCode(...bytes.subarray(0, 1024));
    const type = Object.keys(IMAGES).find((type) => IMAGES[type]!.test(begin));
    return type === undefined ? undefined : `data:${type};base64,${bytes.toBase64()}`;
  } catch (error) {
    if (error instanceof Error && ("code" in error || error instanceof TypeError)) return undefined;
    throw error;
  }
}

/** A live cell's model, from beside its notebook, where its digest is its name; or what is wrong with it. */
function modelOf(digest: string, folder: string): Uint8Array | string {
  const path = resolve(folder, FOLDER, `${digest}.safetensors`);
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) return "is no file";
    if (size > MAX_BYTES.model) {
      return `has ${(size / 1e6).toFixed(0)} MB, where ${MAX_BYTES.model / 1e6} are allowed`;
    }
    const bytes = Deno.readFileSync(path);
    return sha256(bytes) === digest ? bytes : "is not the one that the cell had";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "is not there; run the notebook for it";
    if (error instanceof Error && "code" in error) return "cannot be read";
    throw error;
  }
}

/** The file of a model that comes with the kit; or what is wrong. */
export function includedModel(name: string): Uint8Array | string {
  try {
    return Deno.readFileSync(new URL(`../../data/models/${name}.safetensors`, import.meta.url));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "does not come with the kit";
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false; // A path with a NUL character throws, too.
  }
}

/** Decodes percent-escapes. */
export function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // It contains a literal %.
  }
}
