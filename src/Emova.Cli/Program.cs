using Emova.Cli;

return await Application.RunAsync(args).ConfigureAwait(false);
