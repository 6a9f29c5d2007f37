/* What jsdom lacks and Lab's packages look for when they are imported. */
class NoDragEvent extends MouseEvent {}

function noMatch(media: string): Partial<MediaQueryList> {
  return { media, matches: false, addEventListener() {}, removeEventListener() {} };
}

class NoResizeObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

Object.assign(globalThis, {
  DragEvent: globalThis.DragEvent ?? NoDragEvent,
  ResizeObserver: globalThis.ResizeObserver ?? NoResizeObserver,
  matchMedia: globalThis.matchMedia ?? noMatch
});

export {};
