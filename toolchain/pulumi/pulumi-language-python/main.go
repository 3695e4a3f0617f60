// Command pulumi-language-python is Pulumi's language host for Python, built where Pulumi itself
// is: a release brings its publisher's.
//
//	pulumi-language-python PYTHON [OPTION...] ENGINE
//
// PYTHON is the interpreter of the environment; the rest is the engine's, its own address last. The
// engine reads the port from the first line of standard output, asks for versions, and asks for the
// program to be run (once to preview, once to update). Every command starts one twice, which is why
// this is not a program in Python: the interpreter and its gRPC alone took as long as all the rest.
//
// A host never outlives its engine, nor a program its host.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// runner is the module that runs one program; it and [program] agree on descriptors 3 and 4.
const runner = "vdc.toolchain.program"

// farewell is how long answers may take to leave once the host is to end.
const farewell = 200 * time.Millisecond

// version is Pulumi's; the linker sets it.
var version = "unknown"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(version)
		return
	}
	if len(os.Args) < 3 {
		fail(errors.New("usage: pulumi-language-python PYTHON [OPTION...] ENGINE"))
	}
	if err := serve(os.Args[1], os.Args[len(os.Args)-1]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// serve answers until a signal, the engine's cancel, or its end.
func serve(python, address string) error {
	alive, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	engine, err := connect(address)
	if err != nil {
		return err
	}
	defer engine.Close()

	stop := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(
				server, &host{python: python, engine: address, alive: alive, end: end})
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)

	go func() {
		awaitEnd(alive, engine)
		end()
	}()
	<-alive.Done()
	close(stop)
	select {
	case <-handle.Done:
	case <-time.After(farewell): // it waits for an engine that hangs
	}
	return nil
}

// connect is a connection to the engine, or to what it serves: on this machine, whatever proxy the
// environment names.
func connect(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithNoProxy(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// awaitEnd returns when nothing is at the engine's address any more. One that is slow to answer, on
// a machine that has much to do, is not gone; an idle connection is made anew, which a dead engine
// refuses.
func awaitEnd(alive context.Context, engine *grpc.ClientConn) {
	for {
		engine.Connect()
		state := engine.GetState()
		if state == connectivity.TransientFailure || state == connectivity.Shutdown {
			return
		}
		if !engine.WaitForStateChange(alive, state) {
			return
		}
	}
}

// host is what the engine asks of a language. What it does not answer, generating code and the
// like, no project of vdc needs.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	python string
	engine string
	alive  context.Context
	end    context.CancelFunc

	running sync.Mutex
	program *program // that of the run before, with all that it imported
}

// Run runs the program; it tells its errors to the engine itself.
func (h *host) Run(
	ctx context.Context, request *pulumirpc.RunRequest,
) (*pulumirpc.RunResponse, error) {
	h.running.Lock()
	defer h.running.Unlock()
	waking, done := context.WithCancel(ctx)
	defer done()
	go wake(waking, request)
	if h.program == nil {
		started, err := start(h.alive, h.python, h.engine)
		if err != nil {
			return nil, err
		}
		h.program = started
	}
	response, err := h.program.run(request)
	if err != nil {
		if ended := h.program.wait(); ended != nil {
			err = ended
		}
		h.program = nil
	}
	return response, err
}

// program is a Python that runs programs, one after the other: it reads requests on descriptor 3
// and writes responses on 4. The first stays open for as long as the host lives: its end tells the
// Python to end.
type program struct {
	process *exec.Cmd
	ask     *os.File
	answer  *os.File
}

func start(alive context.Context, python, engine string) (*program, error) {
	asked, ask, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answer, answered, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, asked.Close(), ask.Close())
	}
	// -P: the program's folder must not shadow modules before it is asked for; -u: what it prints
	// reaches the engine at once.
	process := exec.CommandContext(alive, python, "-P", "-u", "-m", runner, engine)
	process.Stdout, process.Stderr = os.Stdout, os.Stderr
	process.ExtraFiles = []*os.File{asked, answered}
	err = errors.Join(process.Start(), asked.Close(), answered.Close())
	if err != nil {
		return nil, errors.Join(err, ask.Close(), answer.Close())
	}
	return &program{process, ask, answer}, nil
}

// run sends one request and returns its response, each with its length in eight bytes before it.
func (p *program) run(request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	words, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.AppendUint64(nil, uint64(len(words)))
	if _, err := p.ask.Write(append(length, words...)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(p.answer, length); err != nil {
		return nil, err
	}
	said := make([]byte, binary.BigEndian.Uint64(length))
	if _, err := io.ReadFull(p.answer, said); err != nil {
		return nil, err
	}
	response := &pulumirpc.RunResponse{}
	return response, proto.Unmarshal(said, response)
}

// wait ends what has not answered, and says how it ended.
func (p *program) wait() error {
	closed := errors.Join(p.ask.Close(), p.answer.Close())
	if err := p.process.Wait(); err != nil {
		return fmt.Errorf("the program's Python ended (%w)", err)
	}
	return closed
}

// wake has the engine start the providers that the project names while the program is imported. It
// would start each at the program's first resource, and the program would wait. It starts one as
// well for a function, whose answer nobody waits for and which there need not be.
func wake(ctx context.Context, request *pulumirpc.RunRequest) {
	monitor, err := connect(request.GetMonitorAddress())
	if err != nil {
		return
	}
	defer monitor.Close()
	client := pulumirpc.NewResourceMonitorClient(monitor)
	for _, name := range providers(request.GetInfo().GetRootDirectory()) {
		_, _ = client.Invoke(ctx, &pulumirpc.ResourceInvokeRequest{Tok: name + ":index:wake"})
	}
}

// providers are the names of those that a project brings along; none when its file says nothing.
func providers(root string) []string {
	var project struct {
		Plugins struct {
			Providers []struct{ Name string }
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "Pulumi.yaml"))
	if err != nil || yaml.Unmarshal(text, &project) != nil {
		return nil
	}
	names := make([]string, 0, len(project.Plugins.Providers))
	for _, provider := range project.Plugins.Providers {
		names = append(names, provider.Name)
	}
	return names
}

// Cancel ends the host and whatever the program is doing.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.end()
	return &emptypb.Empty{}, nil
}

// Handshake agrees: there is nothing to agree on.
func (h *host) Handshake(
	context.Context, *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo is the version of Pulumi that this host belongs to.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// About is the interpreter.
func (h *host) About(
	ctx context.Context, _ *pulumirpc.AboutRequest,
) (*pulumirpc.AboutResponse, error) {
	said, err := exec.CommandContext(ctx, h.python, "--version").Output()
	if err != nil {
		return nil, err
	}
	number := strings.TrimPrefix(strings.TrimSpace(string(said)), "Python ")
	return &pulumirpc.AboutResponse{Executable: h.python, Version: number}, nil
}

// GetRequiredPlugins names none that the engine should fetch: the project file names its provider.
func (h *host) GetRequiredPlugins(
	context.Context, *pulumirpc.GetRequiredPluginsRequest,
) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

// GetRequiredPackages names none, as [host.GetRequiredPlugins].
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// InstallDependencies does nothing: PYTHON's environment has them.
func (h *host) InstallDependencies(
	*pulumirpc.InstallDependenciesRequest,
	grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	return nil
}

// GetProgramDependencies leaves them to pip.
func (h *host) GetProgramDependencies(
	context.Context, *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	return &pulumirpc.GetProgramDependenciesResponse{}, nil
}
