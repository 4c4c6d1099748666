package redisclient_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// secure is a server under TLS, and whom to trust for it.
func secure(t *testing.T) (server *redistest.Server, port string, pool *x509.CertPool) {
	t.Helper()
	server, port, authority := redistest.StartTLS(t)
	raw, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return server, port, pool
}

func TestRedissIsTLSWithACertificateThatIsChecked(t *testing.T) {
	t.Parallel()
	server, port, pool := secure(t)
	good := parsed(t, "rediss://localhost:"+port)
	good.TLS.RootCAs = pool
	patient := good
	patient.Timeout = 20 * time.Second
	works(t, made(t, patient))

	stranger := connect(t, "rediss://localhost:"+port).Ping(t.Context()).Err()
	var unknown x509.UnknownAuthorityError
	if !errors.As(stranger, &unknown) {
		t.Errorf("a certificate of an unknown authority: %v", stranger)
	}
	misnamed := parsed(t, "rediss://127.0.0.1:"+port)
	misnamed.TLS.RootCAs, misnamed.Timeout = pool, patient.Timeout
	if err := made(t, misnamed).Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate for another host: %v", err)
	}
	if good.TLS.MinVersion != tls.VersionTLS12 {
		t.Errorf("the oldest version is %x", good.TLS.MinVersion)
	}
	server.Stop() // the handshake gets no answer
	frozen(t, "under TLS", made(t, good))
	server.Cont()
}
