import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: './test/environment.ts',
    retry: 1, // what fails beside others is asked once more, as make test asks Python's tests
    include: ['test/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts']
  }
});
