import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: './test/environment.ts',
    include: ['test/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts']
  }
});
