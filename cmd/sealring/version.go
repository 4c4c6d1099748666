package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionView struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Say what this program was built from", Args: cobra.NoArgs}
	return a.printing(a.command(c, nil, func(context.Context, []string) error {
		v := buildVersion()
		if a.format == "json" {
			return a.printJSON(v)
		}
		_, err := fmt.Fprintf(a.stdout, "sealring %s %s %s\n", v.Version, v.Go, v.Platform)
		return err
	}))
}

func buildVersion() versionView {
	v := versionView{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func completionCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "completion SHELL", Short: "Print a completion script: bash, zsh, fish or powershell",
		Example: `  source <(sealring completion bash)
  sealring completion fish > ~/.config/fish/completions/sealring.fish`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
	}
	return a.command(c, nil, func(_ context.Context, args []string) error {
		switch root := c.Root(); args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.stdout, true)
		case "zsh":
			return root.GenZshCompletion(a.stdout)
		case "fish":
			return root.GenFishCompletion(a.stdout, true)
		default:
			return root.GenPowerShellCompletionWithDesc(a.stdout)
		}
	})
}

type settingView struct {
	Key     string   `json:"key"`
	Flag    string   `json:"flag"`
	Env     []string `json:"env"`
	Type    string   `json:"type"`
	Default string   `json:"default"`
	Help    string   `json:"help"`
}

func (a *app) settingsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "settings", Short: "Show every setting: key, flag, environment, default",
		Long: `Show every setting. A flag wins over the environment, that over the
configuration file, that over the default. A key of the configuration file that
is not in this table is an error. Secrets are read from the environment or from
a file that a flag, the environment or the configuration file names.`,
		Args: cobra.NoArgs,
	}
	return a.printing(a.command(c, nil, func(context.Context, []string) error {
		views, rows := []settingView{}, [][]string{}
		for _, d := range a.settings.declared() {
			views = append(views, settingView{d.key(), "--" + d.flag(), d.envs(), d.kind, d.def, d.help})
			rows = append(rows, []string{d.key(), "--" + d.flag(), words(d.envs()), d.def, d.help})
		}
		return a.print(views, []string{"KEY", "FLAG", "ENVIRONMENT", "DEFAULT", "MEANING"}, rows)
	}))
}
