import { type Design, worthOf } from "./coverage.ts";

const main = self as unknown as Worker;
main.onmessage = ({ data }: MessageEvent<[Design, number, number]>) => main.postMessage(worthOf(...data));
