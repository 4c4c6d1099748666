package redisclient_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// certified writes a certificate for localhost, signed by itself, and its key.
func certified(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, content := range map[string][]byte{cert: encoded, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(encoded)
	return cert, key, pool
}

// secure is the setting of a server under TLS on another port of its own.
func secure(t *testing.T) (server *redistest.Server, port string, pool *x509.CertPool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	cert, key, pool := certified(t)
	server = redistest.Start(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
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
