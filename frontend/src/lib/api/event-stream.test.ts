import { expect, test } from "vitest";
import { readEvents, takeEvents } from "./event-stream";

test("an event that has not ended yet is kept for later", () => {
  const first = takeEvents('event: token\ndata: {"text":"a"}\n\nevent: tok');
  expect(first.events).toEqual([{ event: "token", data: { text: "a" } }]);
  expect(takeEvents(`${first.rest}en\ndata: {"text":"b"}\n\n`).events).toEqual([
    { event: "token", data: { text: "b" } },
  ]);
});

test("line ends of both kinds are understood, and text that is no JSON is passed on", () => {
  const { events } = takeEvents("event: error\r\ndata: broken\r\n\r\n: a comment\n\n");
  expect(events).toEqual([{ event: "error", data: "broken" }]);
});

test("characters cut in the middle by the network arrive whole, and the last event needs no empty line", async () => {
  const bytes = new TextEncoder().encode(
    'event: token\ndata: {"text":"é"}\n\nevent: end\ndata: {"text":"été"}',
  );
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  const events = [];
  for await (const event of readEvents(body)) events.push(event);
  expect(events).toEqual([
    { event: "token", data: { text: "é" } },
    { event: "end", data: { text: "été" } },
  ]);
});
