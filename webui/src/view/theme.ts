const name = 'emova-theme';

/** Light or dark as the system has it, until the button says otherwise. */
export function setUpTheme(button: HTMLElement, onChange: () => void): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    const chosen = localStorage.getItem(name);
    document.documentElement.dataset['theme'] = chosen ?? (dark.matches ? 'dark' : 'light');
    onChange();
  };
  button.addEventListener('click', () => {
    localStorage.setItem(name, document.documentElement.dataset['theme'] === 'dark' ? 'light' : 'dark');
    apply();
  });
  dark.addEventListener('change', apply);
  apply();
}
