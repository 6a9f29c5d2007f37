/* What `jlpm lint` asks of the code beyond its types. */
import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

/* Imports run one way: index -> panel, notebook, renderer, status -> model -> api. */
const above = {
  api: ['model', 'panel', 'notebook', 'renderer', 'status', 'index'],
  model: ['panel', 'notebook', 'renderer', 'status', 'index'],
  panel: ['notebook', 'renderer', 'status', 'index'],
  renderer: ['notebook', 'status', 'index'],
  notebook: ['renderer', 'status', 'index'],
  status: ['notebook', 'renderer', 'index']
};

const deepImports = {
  regex: '^@(jupyterlab|lumino)/[^/]+/(?!style/)',
  message: "Lab shares a package's main entry only: import from there."
};

function direction([folder, folders]) {
  const patterns = [
    deepImports,
    {
      regex: `^(\\.\\./)+(${folders.join('|')})(/|$)`,
      message: `${folder}/ stands below: imports run index -> panel, notebook, renderer, status -> model -> api.`
    }
  ];
  if (folder === 'api' || folder === 'model') {
    patterns.push({
      regex: '^(react|react-dom)(/|$)|^@jupyterlab/(apputils|ui-components|notebook)$',
      message: `${folder}/ is tested without a browser: it knows no views.`
    });
  }
  return {
    files: [`src/${folder}/**/*.{ts,tsx}`],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', { patterns }]
    }
  };
}

const forbiddenSyntax = [
  {
    selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
    message: "What a model wrote is text, or goes through Lab's rendermime."
  },
  {
    selector: 'AssignmentExpression > MemberExpression.left[property.name=/^(inner|outer)HTML$/]',
    message: "What a model wrote is text, or goes through Lab's rendermime."
  }
];

const defaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'Exports have names; only plugins are default exports.'
};

export default tseslint.config(
  { ignores: ['.yarn/', 'dist/', 'lib/', 'node_modules/', 'src/api/generated.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [
      tseslint.configs.strictTypeChecked,
      jsxA11y.flatConfigs.recommended,
      reactHooks.configs['recommended-latest']
    ],
    languageOptions: { parserOptions: { project: './tsconfig.test.json' } },
    rules: {
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['warn', 'error'] }],
      'no-restricted-syntax': ['error', ...forbiddenSyntax, defaultExport],
      'jsx-a11y/no-noninteractive-element-interactions': 'off', // regions hear F6, splitters the arrows
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { attributes: false } }
      ],
      '@typescript-eslint/no-non-null-assertion': 'off', // an index that was just checked
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: [deepImports] }],
      '@typescript-eslint/no-unnecessary-condition': 'off', // an index may find nothing, and Lab's types promise much
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/unbound-method': 'off' // signals take a slot and its `this`
    }
  },
  ...Object.entries(above).map(direction),
  {
    files: ['src/**/*.{ts,tsx}'],
    rules: {
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }]
    }
  },
  {
    files: ['src/**/*.tsx'], // markup is long
    rules: {
      'max-lines-per-function': ['error', { max: 100, skipBlankLines: true, skipComments: true }]
    }
  },
  {
    files: ['src/index.ts', 'test/environment.ts', '*.config.ts'],
    rules: { 'no-restricted-syntax': ['error', ...forbiddenSyntax] }
  },
  {
    files: ['test/**/*.{ts,tsx}'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off' // vitest's matchers are any
    }
  },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked]
  }
);
