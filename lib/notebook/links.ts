import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { quoted } from "../errors.ts";
import type { Place } from "./render.ts";

/** Bytes of an image that a page carries. */
const LARGEST_IMAGE = 4e6;

/** How files of images begin, by media type. */
const IMAGES: Readonly<Record<string, RegExp>> = {
  "image/png": /^\x89PNG/,
  "image/jpeg": /^\xff\xd8\xff/,
  "image/gif": /^GIF8/,
  "image/webp": /^RIFF....WEBP/s,
  "image/svg+xml": /^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)*<svg\b/,
};

/**
 * What lies around a notebook in a file: links to files lead there from the page, links to notebooks to their pages,
 * and images come along.
 *
 * @param notebook The notebook's file.
 * @param page The page's file.
 * @param pages The page of every notebook that has one, both as absolute paths.
 * @param warn Is told of links to files that do not exist, and what the page cannot show.
 * @returns What {@linkcode render} is given.
 *
 * @example
 * ```ts
 * import { placeOf } from "./links.ts";
 *
 * const place = placeOf("notebooks/01_tokens.ipynb", "data/results/html/01_tokens.html", new Map(), console.error);
 * console.log(place.link("https://jupyter.org")); // "https://jupyter.org"
 * ```
 */
export function placeOf(
  notebook: string,
  page: string,
  pages: ReadonlyMap<string, string>,
  warn: (message: string) => void,
): Place {
  const folder = dirname(resolve(notebook)), from = dirname(resolve(page));
  return {
    link(href) {
      if (href.startsWith("//")) return `https:${href}`; // From a file it would lead to a file.
      if (/^([\w+.-]+:|#|$)/.test(href)) return href;
      const [, path, rest] = /^([^?#]*)(.*)$/s.exec(href)!;
      const target = resolve(folder, decoded(path!));
      const beside = pages.get(target);
      if (isAbsolute(path!) || (beside === undefined && !isThere(target))) {
        warn(`the link ${quoted(href)} leads to no file`);
        return href;
      }
      return addressOf(from, beside ?? target) + (path!.endsWith("/") ? "/" : "") + rest;
    },
    image(src) {
      if (/^([\w+.-]+:|\/\/)/.test(src)) {
        warn(`the image ${quoted(src)} is only linked to, as a page loads nothing`);
        return undefined;
      }
      const data = imageOf(resolve(folder, decoded(src)), [folder, Deno.cwd()]);
      if (data === undefined) {
        warn(`the image ${quoted(src)} is no image of the notebook's folder or this one`);
      }
      return data;
    },
    warn,
  };
}

/** A file's address, relative to a folder. */
function addressOf(from: string, target: string): string {
  const path = relative(from, target) || ".";
  // On another drive there is no way from one to the other.
  return isAbsolute(path) ? pathToFileURL(path).href : path.split(sep).map(encodeURIComponent).join("/");
}

/** An image as a `data:` URL. Whoever wrote the notebook chose the path: no file but an image of these folders leaves them. */
function imageOf(path: string, folders: readonly string[]): string | undefined {
  try {
    const real = Deno.realPathSync(path);
    if (!folders.some((folder) => real.startsWith(Deno.realPathSync(folder) + sep))) return undefined;
    const { isFile, size } = Deno.statSync(real);
    if (!isFile || size > LARGEST_IMAGE) return undefined;
    const bytes = Deno.readFileSync(real);
    const begin = String.fromCharCode(...bytes.subarray(0, 1024));
    const type = Object.keys(IMAGES).find((type) => IMAGES[type]!.test(begin));
    return type === undefined ? undefined : `data:${type};base64,${bytes.toBase64()}`;
  } catch (error) {
    if (error instanceof Error && ("code" in error || error instanceof TypeError)) return undefined;
    throw error;
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false; // A path with a NUL cannot even be asked for.
  }
}

/** What an address says, without its escapes. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // It has a % that stands for itself.
  }
}
