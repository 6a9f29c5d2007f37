/* What jsdom lacks and Lab's packages look for when they are imported. */
class NoDragEvent extends MouseEvent {}

function noMatch(media: string): object {
  return {
    media,
    matches: false,
    addEventListener() {},
    removeEventListener() {},
    addListener() {},
    removeListener() {}
  };
}

class NoResizeObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

class NoIntersectionObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

Object.assign(globalThis, {
  IntersectionObserver: globalThis.IntersectionObserver ?? NoIntersectionObserver,
  DragEvent: globalThis.DragEvent ?? NoDragEvent,
  ResizeObserver: globalThis.ResizeObserver ?? NoResizeObserver,
  matchMedia: globalThis.matchMedia ?? noMatch
});

export {};
