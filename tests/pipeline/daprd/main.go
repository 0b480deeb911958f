// Dapr's sidecar with no components but those that todo-app is configured with: the whole of it takes
// hours to build. Flags and behaviour are those of daprd itself.
package main

import (
	"context"
	"fmt"
	"os"

	"go.opencensus.io/stats/view"

	"github.com/dapr/components-contrib/bindings/cron"
	"github.com/dapr/components-contrib/nameresolution/nameformat"
	inmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	"github.com/dapr/components-contrib/pubsub/kafka"
	"github.com/dapr/components-contrib/secretstores/kubernetes"
	localenv "github.com/dapr/components-contrib/secretstores/local/env"
	localfile "github.com/dapr/components-contrib/secretstores/local/file"
	"github.com/dapr/dapr/cmd/daprd/options"
	"github.com/dapr/dapr/pkg/buildinfo"
	bindings "github.com/dapr/dapr/pkg/components/bindings"
	resolvers "github.com/dapr/dapr/pkg/components/nameresolution"
	pubsubs "github.com/dapr/dapr/pkg/components/pubsub"
	secretstores "github.com/dapr/dapr/pkg/components/secretstores"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/runtime"
	"github.com/dapr/dapr/pkg/runtime/registry"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
)

var log = logger.NewLogger("dapr.runtime")

// components makes known what a resource's `type` may be.
func components() *registry.Options {
	contrib := logger.NewLogger("dapr.contrib")
	pubsubs.DefaultRegistry.Logger = contrib
	pubsubs.DefaultRegistry.RegisterComponent(kafka.NewKafka, "kafka")
	pubsubs.DefaultRegistry.RegisterComponent(inmemory.New, "in-memory")
	bindings.DefaultRegistry.Logger = contrib
	bindings.DefaultRegistry.RegisterInputBinding(cron.NewCron, "cron")
	secretstores.DefaultRegistry.Logger = contrib
	secretstores.DefaultRegistry.RegisterComponent(localfile.NewLocalSecretStore, "local.file")
	secretstores.DefaultRegistry.RegisterComponent(localenv.NewEnvSecretStore, "local.env")
	secretstores.DefaultRegistry.RegisterComponent(kubernetes.NewKubernetesSecretStore, "kubernetes")
	resolvers.DefaultRegistry.Logger = contrib
	resolvers.DefaultRegistry.RegisterComponent(nameformat.NewResolver, "nameformat")
	return registry.NewOptions().
		WithPubSubs(pubsubs.DefaultRegistry).
		WithBindings(bindings.DefaultRegistry).
		WithSecretStores(secretstores.DefaultRegistry).
		WithNameResolutions(resolvers.DefaultRegistry)
}

// settings gives the runtime what the flags say.
func settings(flags *options.Options, known *registry.Options, sec security.Handler,
	health healthz.Healthz) *runtime.Config {
	return &runtime.Config{
		Registry: known,
		Security: sec,
		Healthz:  health,

		AppID:          flags.AppID,
		Mode:           flags.Mode,
		Config:         flags.Config,
		ResourcesPath:  flags.ResourcesPath,
		ComponentsPath: flags.ComponentsPath,

		ApplicationPort:        flags.AppPort,
		AppProtocol:            flags.AppProtocol,
		AppChannelAddress:      flags.AppChannelAddress,
		AppSSL:                 flags.AppSSL,
		AppMaxConcurrency:      flags.AppMaxConcurrency,
		EnableAppHealthCheck:   flags.EnableAppHealthCheck,
		AppHealthCheckPath:     flags.AppHealthCheckPath,
		AppHealthProbeInterval: flags.AppHealthProbeInterval,
		AppHealthProbeTimeout:  flags.AppHealthProbeTimeout,
		AppHealthThreshold:     flags.AppHealthThreshold,
		DisableInitEndpoints:   flags.DisableInitEndpoints,

		DaprHTTPPort:                  flags.DaprHTTPPort,
		DaprAPIGRPCPort:               flags.DaprAPIGRPCPort,
		DaprAPIListenAddresses:        flags.DaprAPIListenAddresses,
		DaprInternalGRPCPort:          flags.DaprInternalGRPCPort,
		DaprInternalGRPCListenAddress: flags.DaprInternalGRPCListenAddress,
		DaprPublicPort:                flags.DaprPublicPort,
		DaprPublicListenAddress:       flags.DaprPublicListenAddress,
		UnixDomainSocket:              flags.UnixDomainSocket,
		AllowedOrigins:                flags.AllowedOrigins,
		MaxRequestSize:                flags.MaxRequestSize,
		ReadBufferSize:                flags.ReadBufferSize,
		EnableAPILogging:              flags.EnableAPILogging,

		DaprGracefulShutdownSeconds: flags.DaprGracefulShutdownSeconds,
		DaprBlockShutdownDuration:   flags.DaprBlockShutdownDuration,
		HotReloadReconcileInterval:  flags.HotReloadReconcileInterval,

		// The control plane: standalone there is none.
		ControlPlaneAddress:          flags.ControlPlaneAddress,
		SentryAddress:                flags.SentryAddress,
		EnableMTLS:                   flags.EnableMTLS,
		ActorsService:                flags.ActorsService,
		ActorsDisseminationTimeout:   flags.ActorsDisseminationTimeout,
		RemindersService:             flags.RemindersService,
		SchedulerAddress:             flags.SchedulerAddress,
		SchedulerStreams:             flags.SchedulerJobStreams,
		DisableBuiltinK8sSecretStore: flags.DisableBuiltinK8sSecretStore,

		ProfilePort:     flags.ProfilePort,
		EnableProfiling: flags.EnableProfiling,
		Metrics: metrics.Options{
			Log:           log,
			Enabled:       flags.Metrics.Enabled(),
			Port:          flags.Metrics.Port(),
			ListenAddress: flags.Metrics.ListenAddress(),
			Namespace:     metrics.DefaultMetricNamespace,
			Healthz:       health,
			Meter:         view.NewMeter(),
		},
	}
}

// serve runs one sidecar until the context ends; what has been registered stays.
func serve(ctx context.Context, flags *options.Options, known *registry.Options) error {
	health := healthz.New()
	provider, err := security.New(ctx, security.Options{
		AppID:                   flags.AppID,
		Mode:                    modes.DaprMode(flags.Mode),
		Healthz:                 health,
		MTLSEnabled:             flags.EnableMTLS,
		SentryAddress:           flags.SentryAddress,
		TrustAnchors:            flags.TrustAnchors,
		ControlPlaneTrustDomain: flags.ControlPlaneTrustDomain,
		ControlPlaneNamespace:   flags.ControlPlaneNamespace,
		JwtAudiences:            flags.SentryRequestJwtAudiences,
	})
	if err != nil {
		return fmt.Errorf("security: %w", err)
	}
	sidecar := func(ctx context.Context) error {
		handler, err := provider.Handler(ctx)
		if err != nil {
			return err
		}
		made, err := runtime.FromConfig(ctx, settings(flags, known, handler, health))
		if err != nil {
			return err
		}
		return made.Run(ctx)
	}
	return concurrency.NewRunnerManager(provider.Run, sidecar).Run(ctx)
}

func main() {
	flags, err := options.New(os.Args[1:])
	if err != nil {
		log.Fatalf("flags: %v", err)
	}
	if flags.RuntimeVersion {
		fmt.Println(buildinfo.Version())
		return
	}
	flags.Logger.SetAppID(flags.AppID)
	if err := logger.ApplyOptionsToLoggers(&flags.Logger); err != nil {
		log.Fatalf("logging: %v", err)
	}
	known := components()
	// A changed Resiliency makes the runtime ask for a new life by SIGHUP: each is one turn. The
	// channel is closed when the process is told to end.
	for life := range signals.OnHUP(signals.Context()) {
		if err := serve(life, flags, known); err != nil {
			log.Fatalf("the sidecar ended: %v", err)
		}
		if life.Err() == nil {
			return // it was shut down by its API
		}
	}
}
